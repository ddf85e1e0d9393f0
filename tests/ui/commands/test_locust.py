"""The command `labkit locust`: the file that it writes, the rows that it reads, and its sentences."""

import ast
import json

import pytest

from labkit.runs.run import Run
from labkit.scale import locust_process
from tests.ui.commands.running import assert_is_refused, labkit, written

URL = "http://shop.example:5000"

#: One event that was answered after 4 ms, as a worker leaves it.
ROWS = (
    {
        "wall_ns": 0,
        "clock_ns": 0,
        "refusals": [],
        "plan": {"url": URL, "rate_hz": 50, "seconds": 2, "timeout_s": 1, "seed": 3},
    },
    {"client": 0, "intended_ns": 0, "sent_ns": 0, "answered_ns": 4_000_000},
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_file_for_any_machine_and_says_how_to_run_it(here):
    given = ("--event", "price", "--data", '{"item": "{counter}"}', "--rate", 500, "--clients", 200)
    result = labkit("locust", URL, *given, "--header", "X-Key: a", "--auth", '{"token": "b"}', "--timeout", "2s")
    assert result.exit_code == 0, result.stderr
    assert "locust -f locustfile.py --headless" in result.stdout
    text = (here / "locustfile.py").read_text()
    ast.parse(text)
    for part in ("'http://shop.example:5000'", "'price'", "'X-Key: a'", "{'token': 'b'}", "[[{'item': '{counter}'}]]"):
        assert part in text
    assert written(here) == ["locustfile.py"]


def test_a_file_that_is_there_is_left_as_it_is(here):
    (here / "locustfile.py").write_text("mine")
    result = labkit("locust", URL)
    assert_is_refused(result)
    assert "name another with --file" in result.stderr
    assert (here / "locustfile.py").read_text() == "mine"
    assert labkit("locust", URL, "--file", "other.py").exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--data", "x"), "--data is neither JSON"),
        (("--data", "@nowhere.jsonl"), "nowhere.jsonl cannot be read"),
        (("--auth", "x"), "--auth is no JSON"),
        (("--header", "X-Key"), "--header is NAME:VALUE"),
        (("--rate", "0"), "rate_hz of a locustfile is a number above 0"),
        (("--clients", "0"), "1 to 50,000 clients"),
        (("--seconds", "5x"), "is no time: write 5, 5s or 200ms"),
        (("--file", "nowhere/locustfile.py"), "cannot be written"),
        (("--run", "--rows", "."), "give one of them"),
        (("--rows", "."), "there are no rows in"),
    ],
)
def test_what_makes_no_sense_is_a_sentence_and_nothing_is_written(options, told, here):
    result = labkit("locust", URL, *options)
    assert_is_refused(result, 1 if "no rows" in told else 2)
    assert told in result.stderr
    assert written(here) == []


def test_another_machine_is_not_run_at(here, monkeypatch):
    monkeypatch.setattr(locust_process, "require", lambda: None)
    result = labkit("locust", "http://192.0.2.1", "--run")
    assert_is_refused(result)
    assert "take the locustfile to machines of yours" in result.stderr
    assert written(here) == []


def test_rows_of_a_cluster_are_read_shown_and_kept(here):
    (here / "rows").mkdir()
    (here / "rows" / "rows-far-1.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    result = labkit("locust", URL, "--event", "price", "--rows", "rows", "--json", "--out", "kept")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["url"], told["exchange"]["event"], told["strategies"][0]["own"]["p50_ms"]) == (URL, "price", 4)
    (run,) = (here / "kept").glob("run-*.json")
    assert Run.load(run).outcomes["answered"] == 1
