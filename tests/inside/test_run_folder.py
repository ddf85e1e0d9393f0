"""What a run leaves in its folder, also where it is cut short."""

import json

import pytest
import socketio

import labkit
from labkit.base.errors import RecordError
from labkit.inside import run_folder
from labkit.inside.run_folder import Ran


def a_record():
    with labkit.instrument(socketio.Server(async_mode="threading"), events=4) as inside:
        return inside.record()


def a_run(folder, *pids):
    for pid in pids:
        a_record().save(folder / f"server-{pid}")
        about = {"pid": pid, "ended": True, "versions": {"python-socketio": "5.0"}, "patched_late": False}
        (folder / f"server-{pid}" / "process.json").write_text(json.dumps(about))
    return folder


def test_what_is_written_can_be_read(tmp_path):
    a_run(tmp_path, 7)
    ran = Ran(command=("python", "app.py"), started_utc="2026", exit_code=3, made=1, problems=("told",))
    run_folder.write(tmp_path, ran)
    read = run_folder.read(tmp_path)
    assert (read.command, read.started_utc, read.exit_code, read.made) == (("python", "app.py"), "2026", 3, 1)
    assert read.problems == ("told",)
    (served,) = read.served
    assert (served.pid, served.ended, served.versions) == (7, True, {"python-socketio": "5.0"})
    assert run_folder.read(tmp_path / "server-7").served[0].pid == 7


def test_the_notes_of_the_processes_are_summed_up(tmp_path):
    (tmp_path / "made-1.json").write_text(
        json.dumps({"python": "py", "problems": ["it has other names"], "versions": {"b": "1"}})
    )
    (tmp_path / "failed-2.json").write_text(json.dumps({"python": "py", "error": "E: too old"}))
    (tmp_path / "made-3.json").write_text("")  # cut short
    before = run_folder.read(tmp_path)
    assert before.made == 3
    assert before.problems == ("it has other names (py, b 1)", "labkit could not look into a server (py: E: too old)")
    run_folder.write(tmp_path, before)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert run_folder.read(tmp_path) == before


def test_one_record_that_is_cut_short_does_not_hide_the_others(tmp_path):
    a_run(tmp_path, 1, 2)
    text = (tmp_path / "server-1" / "inside.json").read_text()
    (tmp_path / "server-1" / "inside.json").write_text(text[: len(text) // 2])
    ran = run_folder.read(tmp_path)
    assert [served.pid for served in ran.served] == [2]
    assert len(ran.problems) == 1
    assert "server-1" in ran.problems[0]


def test_a_process_that_ended_before_anything_was_saved_is_told(tmp_path):
    (tmp_path / "server-1").mkdir()
    (tmp_path / "server-1" / "process.json").write_text("{}")
    assert "inside.json is missing" in run_folder.read(tmp_path).problems[0]


@pytest.mark.parametrize("name", [".", "nothing", "file"])
def test_a_folder_of_nothing_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="labkit run has written"):
        run_folder.read(tmp_path / name)
