"""``labkit report``: the page of a folder, or its tables; and ``labkit run`` leaves the page when the app has ended."""

import sys

import pytest

from labkit.inside import run_folder
from labkit.inside.run_folder import Ran
from labkit.ui import inside_tables
from labkit.ui.commands import run
from tests.support import reported
from tests.ui.commands.running import assert_is_refused, labkit, written


@pytest.fixture
def folder(tmp_path):
    record, watched = reported.crowded(500)
    own = tmp_path / "ran" / "server-4711"
    record.save(own)
    watched.save(own)
    run_folder.write(tmp_path / "ran", Ran(command=(sys.executable, "app.py"), exit_code=0, made=1))
    return tmp_path / "ran"


def test_it_writes_the_page_into_the_folder_and_says_where(folder):
    result = labkit("report", folder)
    assert result.exit_code == 0
    assert result.output == f"The page is {folder / 'report.html'}\n"
    assert {"report.html", "trace.json"} <= set(written(folder))


def test_the_page_goes_where_it_is_asked_for(folder, tmp_path):
    before = written(folder)
    assert labkit("report", "--out", tmp_path / "friday.html", folder).exit_code == 0
    assert written(folder) == before
    assert written(tmp_path) == ["friday-trace.json", "friday.html", "ran"]


def test_as_text_it_prints_the_tables_and_writes_nothing(folder):
    before = written(folder)
    result = labkit("report", "--text", folder)
    assert result.exit_code == 0
    assert "500 events of 20 connections" in result.output
    assert written(folder) == before


def test_what_is_no_folder_of_a_run_is_refused(tmp_path):
    assert_is_refused(labkit("report", tmp_path), code=1)
    assert_is_refused(labkit("report", tmp_path / "nowhere"), code=1)


def test_a_page_that_cannot_be_written_is_refused(folder, tmp_path):
    assert_is_refused(labkit("report", "--out", tmp_path / "nowhere" / "page.html", folder))
    (tmp_path / "there.html").mkdir()
    assert_is_refused(labkit("report", "--out", tmp_path / "there.html", folder))


def test_when_the_app_has_ended_the_page_is_there_and_standard_output_untouched(folder, capsys):
    run._show(run_folder.read(folder), folder)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"The page: {folder / 'report.html'}" in shown.err
    assert {"machine.json", "report.html", "trace.json"} <= set(written(folder))
    assert "cores, by labkit" in (folder / "report.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_does_not_change_how_the_app_has_ended(folder, capsys):
    (folder / "report.html").mkdir()
    run._show(run_folder.read(folder), folder)
    assert "report.html is no file: name one" in capsys.readouterr().err


def test_an_app_that_served_nobody_leaves_no_page(tmp_path, capsys):
    run._show(Ran(), tmp_path)
    assert "saw no SocketIO server" in " ".join(capsys.readouterr().err.split())
    assert written(tmp_path) == []


def test_a_folder_of_several_processes_has_each_on_the_page(folder):
    for pid in range(inside_tables.PROCESSES_SHOWN):
        record, _ = reported.crowded(50, started_ns=reported.START_NS + pid + 1)
        record.save(folder / f"server-{pid}")
    assert labkit("report", folder).exit_code == 0
    text = (folder / "report.html").read_text("utf-8")
    assert text.count("<article") == inside_tables.PROCESSES_SHOWN
    assert "1 earlier process is in the folder only" in text
