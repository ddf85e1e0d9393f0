"""`labkit run`: the app as it is, and what was seen in it."""

import signal
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

import labkit as lab
from labkit.base.errors import LabError
from labkit.inside import run_folder
from tests.support.helpers import wait_until
from tests.support.launching import APP, client, free_port, launched
from tests.ui.commands.running import assert_is_refused, labkit, written

ASGI = """
import socketio
server = socketio.AsyncServer(async_mode="asgi")

@server.on("compute")
async def compute(sid, ms):
    return "done"

app = socketio.ASGIApp(server)
"""

#: It takes its time where a client leaves.
LEAVES = """
import asyncio

@server.event
async def disconnect(sid):
    await asyncio.sleep(0.5)
"""

RUN = ("-m", "labkit", "run", "--out", "out.d")


@pytest.fixture
def app(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def seen(folder):
    """What was recorded in the one process that served."""
    ran = run_folder.read(folder / "out.d")
    assert ran.problems == ()
    (served,) = ran.served
    return served


def saved(folder):
    """How many events were saved so far."""
    try:
        return seen(folder).record.events_seen
    except (LabError, ValueError, AssertionError):  # not yet, or just being written anew
        return 0


def names(record):
    return [record.names[name] for name in record.events["name"]]


def use(port, events=3):
    """One client's events, each answered before the next; it stays for who ends the app."""
    found = client(port)
    for number in range(events):
        assert found.ask(f'42{number}["compute",5]') == f'43{number}["done"]'
    return found


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name what to start"),
        (("nothing.py",), "nothing.py is not there"),
        (("python", "x"), "write labkit run -- python x"),
        (("--", "no-such-program"), "was not found"),
        (("--events", "0", "app.py"), "--events"),
        (("--record-payloads", "gone/sent.jsonl", "-m", "x"), "gone is no folder"),
        (("--record-payloads", ".", "-m", "x"), "is there already"),
    ],
)
def test_what_cannot_be_started_is_refused(arguments, says):
    told = labkit("run", *arguments)
    assert_is_refused(told)
    assert says in told.stderr
    assert written(Path("labkit-results")) == []


def test_a_folder_that_is_in_use_is_refused(tmp_path):
    (tmp_path / "out.d" / "server-1").mkdir(parents=True)
    (tmp_path / "a.py").touch()
    assert_is_refused(labkit("run", "--out", "out.d", "a.py"))


def test_a_report_of_nothing_is_refused(tmp_path):
    assert_is_refused(labkit("report", tmp_path), code=1)


@pytest.mark.measured
def test_an_app_that_makes_no_server_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "none.py").write_text("import sys; print(sys.argv, sys.stdin.read()); sys.exit(3)")
    with launched(tmp_path, "-m", "labkit", "run", "none.py", "--port", "1") as process:
        assert process.wait(30) == 3
    assert (tmp_path / "out").read_text() == "['none.py', '--port', '1'] \n"
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert line.startswith("labkit: saw no SocketIO server")
    assert not (tmp_path / "labkit-results").exists()


@pytest.mark.measured
def test_an_app_is_run_as_it_is_and_what_it_did_is_shown(app):
    port = free_port()
    with launched(app, "app.py", port) as process, use(port):
        process.send_signal(signal.SIGINT)
        code, output = process.wait(30), (app / "out").read_text()
    port = free_port()
    with launched(app, *RUN, "--record-payloads", "sent.jsonl", "app.py", port) as process, use(port) as found:
        found.send('42["broken"]')
        found.send('42["nobody-takes-it"]')
        assert found.ask('429["compute",60]') == '439["done"]'
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == code
    assert [line.split()[0] for line in (app / "out").read_text().splitlines()] == [
        line.split()[0] for line in output.splitlines()
    ]
    served = seen(app)
    assert served.ended
    assert sorted(names(served.record)) == ["broken", *["compute"] * 4, "nobody-takes-it"]
    recorded = lab.replay(app / "sent.jsonl")
    assert sorted(recorded.names) == sorted(names(served.record))
    assert [recorded.payloads[n] for n, name in enumerate(recorded.names) if name == "compute"][-1] == (60,)
    assert Counter(zip(recorded.names, recorded.asks, strict=True)) == {
        ("compute", True): 4,
        ("broken", False): 1,
        ("nobody-takes-it", False): 1,
    }
    told = (app / "err").read_text().splitlines()
    assert "Recorded 6 events; secrets taken out: none." in told
    assert f"The recording: {app / 'sent.jsonl'}" in told
    shown = "Process " + (app / "err").read_text().partition("\nProcess ")[2]
    assert max(len(line) for line in shown.splitlines() if str(app) not in line) <= 80
    shown = " ".join(shown.split())
    assert "`broken` raised KeyError once." in shown
    assert "Nobody handles `nobody-takes-it` (once)." in shown
    again = labkit("report", "--text", "out.d")
    assert again.exit_code == 0
    assert " ".join(again.output.split()).startswith(shown.partition(" Kept in")[0])


@pytest.mark.measured
def test_what_is_killed_leaves_what_was_saved_last(app):
    port = free_port()
    with launched(app, *RUN, "--", sys.executable, "app.py", port) as process, use(port):
        assert wait_until(lambda: list(app.glob("out.d/server-*/inside.json")), 30)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        assert process.wait(30) == 128 + signal.SIGKILL
    served = seen(app)
    assert not served.ended
    assert set(names(served.record)) == {"compute"}
    assert "could not save at its end" in " ".join((app / "err").read_text().split())


@pytest.mark.measured
def test_before_a_signal_that_ends_the_app_is_passed_on_all_is_saved(app):
    port = free_port()
    with launched(app, *RUN, "app.py", port) as process, use(port, events=9):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    served = seen(app)
    assert names(served.record) == ["compute"] * 9
    assert sorted(path.name for path in served.folder.iterdir() if "ask" in path.name) == []


@pytest.mark.measured
def test_of_a_reloader_only_the_process_counts_that_serves(app):
    port = free_port()
    with launched(app, *RUN, "-m", "app", "--reload", port) as process, use(port):
        (parent,) = psutil.Process(process.pid).children()
        (serving,) = parent.children()
        serving.send_signal(signal.SIGTERM)  # as Werkzeug's own handler takes it; its parent ends after it
        assert process.wait(30) == 0
    served = seen(app)
    assert (served.pid, served.ended) == (serving.pid, True)
    assert names(served.record) == ["compute"] * 3


@pytest.mark.measured
def test_gunicorn_that_forks_after_the_server_was_made(app):
    pytest.importorskip("gunicorn")
    port = free_port()
    gunicorn = ("gunicorn", "--preload", "-k", "gthread", "--threads", "9", "-b", f"127.0.0.1:{port}", "app:app")
    with launched(app, *RUN, "--", *gunicorn) as process:
        with use(port) as found:
            found.leave()
        (arbiter,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    served = seen(app)
    assert served.pid not in (arbiter.pid, process.pid)
    assert served.ended
    assert names(served.record) == ["compute"] * 3


@pytest.mark.measured
def test_gevent_has_its_threads_and_labkit_a_real_one(app):
    pytest.importorskip("gevent")
    patched = APP.replace('"threading"', '"gevent"').replace(", allow_unsafe_werkzeug=True", "")
    (app / "app.py").write_text(f"from gevent import monkey; monkey.patch_all()\n{patched}")
    port = free_port()
    with launched(app, *RUN, "app.py", port) as process, use(port) as found:
        found.send('42["compute",3000]')  # the thread that saves is none of gevent's: it need not wait for this
        assert wait_until(lambda: saved(app) == 4, 30)
        assert not seen(app).record.events["handler_end"][-1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    served = seen(app)
    assert (served.ended, served.patched_late, served.record.settings["greenlets"]) == (True, False, True)
    assert names(served.record) == ["compute"] * 4
    assert "MonkeyPatchWarning" not in (app / "err").read_text()


@pytest.mark.measured
def test_uvicorn_with_an_asyncio_server(tmp_path):
    pytest.importorskip("uvicorn")
    (tmp_path / "shop.py").write_text(ASGI)
    port = free_port()
    with launched(tmp_path, *RUN, "--", "uvicorn", "--port", port, "shop:app") as process, use(port) as found:
        found.leave()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    served = seen(tmp_path)
    assert (served.ended, served.record.settings["async_mode"]) == (True, "asgi")
    assert names(served.record) == ["compute"] * 3


@pytest.mark.measured
def test_what_uvicorn_does_between_a_signal_and_its_death_is_kept(tmp_path):
    """It lets go of its clients in peace, and then dies of the signal."""
    pytest.importorskip("uvicorn")
    (tmp_path / "shop.py").write_text(ASGI + LEAVES)
    port = free_port()
    with launched(tmp_path, *RUN, "--", "uvicorn", "--port", port, "shop:app") as process, use(port):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    served = seen(tmp_path)
    assert (served.ended, served.asked) == (False, True)
    assert names(served.record)[-1] == "disconnect", "which came after the signal"
    assert "It died of a signal: what it did in its last tenth" in " ".join((tmp_path / "err").read_text().split())
