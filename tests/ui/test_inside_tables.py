"""What was seen inside an app, as a terminal of 80 columns shows it."""

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from labkit.inside.run_folder import Ran, Served
from labkit.ui.inside_tables import outside_of_ranges, show
from tests.experiments.test_inside_summary import a_record, emit, event, opened


def shown(ran, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        show(ran, console)
    return console.export_text()


def served(record, **more):
    return Served(folder=Path("run/server-7"), pid=7, record=record, **more)


def flat(text):
    return " ".join(text.split())


def test_long_names_and_large_numbers_fit_into_80_columns():
    names = ("a-very-long-name-of-an-event-that-says-all", "[bold]markup[/bold]")
    rows = [
        event(number % 2, namespace=1, took_ms=12345, wait_ms=54321, cpu_ms=12000, held_ms=11111, error=0, emits=100)
        for number in range(400)
    ]
    record = a_record(rows, names=names, emitted=[emit(0, 1000, 99999.0, event=-1)] * 200, known=[opened()])
    text = shown(Ran(served=(served(record),)))
    assert max(map(len, text.splitlines())) <= 80
    assert "12s/12s" in text
    assert "…" in text.splitlines()[2] or "a-very" in text
    assert "[bold]marku" in text


def test_every_reason_for_doubt_is_told():
    record = dataclasses.replace(a_record([event()], seen=9), failed=("emit",), unseen=("read: nobody sees it",))
    doubtful = served(record, ended=False, patched_late=True, versions={"python-socketio": "4.0"})
    said = flat(shown(Ran(served=(doubtful,), problems=("something is odd",))))
    for sentence in (
        "labkit: something is odd",
        "could not save at its end",
        "The last 1 events are kept of 9",
        "Hooks that failed and took themselves off: emit.",
        "gevent replaced threads after the server was made",
        "python-socketio 4.0 is not within",
        "Not seen: read: nobody sees it",
    ):
        assert sentence in said


@pytest.mark.parametrize(
    ("ran", "says"),
    [
        (Ran(), "saw no SocketIO server"),
        (Ran(made=1), "a Socket.IO server was made, and nobody connected to it"),
        (Ran(made=1, problems=("another version",)), "a Socket.IO server was made, and nothing was seen of it"),
    ],
)
def test_where_nothing_was_seen_a_sentence_says_why(ran, says):
    assert says in shown(ran)


def test_of_many_processes_the_last_are_shown():
    many = tuple(dataclasses.replace(served(a_record([event()])), pid=pid) for pid in range(9))
    text = shown(Ran(served=many))
    assert text.count("Process ") == 4
    assert "Process 8" in text
    assert "5 earlier processes are in the folder only" in text


def test_versions_that_labkit_knows_are_no_reason_for_doubt():
    assert outside_of_ranges({"python-socketio": "5.13.0", "python-engineio": "4.0", "flask-socketio": "5.5"}) == []


def test_a_version_of_somebody_s_own_build_is_told():
    (said,) = outside_of_ranges({"python-socketio": "our build"})
    assert "python-socketio our build is not within" in said


def test_a_watch_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "watched.json").write_text("{")
    broken = dataclasses.replace(served(a_record([event()])), folder=tmp_path)
    assert "Who made whom wait is not known:" in flat(shown(Ran(served=(broken,))))
