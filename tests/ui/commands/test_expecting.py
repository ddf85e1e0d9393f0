"""``labkit compare --expect``: exit codes, the table, JSON, a step's summary, JUnit's XML, and what is refused."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from labkit.base.errors import ServerError
from tests.support import simulated
from tests.ui.commands.running import assert_is_refused, labkit, written
from tests.ui.commands.test_compare import measured as measured  # noqa: PLC0414 (a fixture)


def compare(*arguments):
    return labkit("compare", "prices", "--connections", 10, *arguments)


ONE = ("--strategies", "inline")
TWO = ("--strategies", "inline,thread")


@pytest.mark.parametrize(
    ("about", "lines", "code"),
    [
        ({"own_ms": 300}, ["own.max < 1s", "lost == 0"], 0),
        ({"own_ms": 300}, ["own.max < 1s", "own.max < 1ms"], 3),
        ({"own_ms": 300}, ["own.max < 1s", "own.p99 < 1s"], 4),
        ({"own_ms": 300}, ["own.max < 1ms", "own.p99 < 1s"], 3),
        ({"outcomes": {"timed out": 1}}, ["lost <= 1"], 1),
        ({"outcomes": {"timed out": 1}}, ["lost == 0"], 3),
        ({"outcomes": {"unaccounted": 1}}, ["own.p50 < 1s"], 4),
    ],
)
def test_exit_codes(measured, about, lines, code):
    measured(simulated.run(**about))
    done = compare(*ONE, *(part for line in lines for part in ("--expect", line)))
    assert done.exit_code == code


def test_it_is_shown_saved_appended_and_written(measured):
    measured(simulated.run(own_ms=900), simulated.run("thread", own_ms=300))
    Path("expected.toml").write_text('expect = ["thread: lost == 0"]')
    Path("summary.md").write_text("before\n")
    files = ("--expect-file", "expected.toml", "--summary", "summary.md", "--junit", "junit.xml", "--out", "X")
    done = compare(*TWO, "--expect", "own.max < 500ms", *files)
    shown = " ".join(done.stdout.split())
    assert "Expectations: 2 of 3 hold, 1 does not." in shown
    assert "inline own.max < 500ms does not hold 900 ms" in shown
    about = json.loads(Path("X/summary.json").read_text())["expectations"]
    assert [(each["strategy"], each["expectation"], each["verdict"]) for each in about] == [
        ("inline", "own.max < 500ms", "does not hold"),
        ("thread", "own.max < 500ms", "holds"),
        ("thread", "thread: lost == 0", "holds"),
    ]
    summary = Path("summary.md").read_text()
    assert summary.startswith("before\n## labkit")
    assert "**Not as expected.**" in summary
    (suite,) = Xml.parse("junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


def test_json_has_the_verdicts(measured):
    measured(simulated.run(own_ms=300))
    told = json.loads(compare(*ONE, "--expect", "own.max < 1s", "--json").stdout)
    assert told["expectations"][0]["measured"] == 300
    measured(simulated.run(own_ms=300))
    assert json.loads(compare(*ONE, "--json").stdout)["expectations"] is None


def test_a_summary_needs_no_expectations(measured):
    measured(simulated.run(own_ms=300))
    assert compare(*ONE, "--summary", "summary.md").exit_code == 0
    assert "| inline" in Path("summary.md").read_text()


def test_the_base_is_inline_or_named(measured):
    runs = [simulated.run(name, own_ms=own) for _ in range(5) for name, own in (("inline", 900), ("thread", 300))]
    measured(*runs)
    assert compare(*TWO, "--expect", "own.p50 < 0.5 * base", "--out", "X").exit_code == 0
    measured(*runs)
    done = compare(*TWO, "--expect", "own.p50 < 0.5 * base", "--base", "thread", "--out", "Y")
    assert done.exit_code == 3
    assert json.loads(Path("Y/summary.json").read_text())["expectations"][0]["strategy"] == "inline"


def test_an_early_end_judges_nothing(measured):
    measured(simulated.run(own_ms=300), ServerError("it fell over"))
    done = compare(*TWO, "--expect", "thread: lost == 0", "--junit", "junit.xml", "--out", "X")
    assert done.exit_code == 1
    assert json.loads(Path("X/summary.json").read_text())["expectations"] is None
    assert not Path("junit.xml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*ONE, "--expect", "own.p98 < 3"), "has no unit"),
        ((*ONE, "--expect", "thraed: lost == 0"), "no measured strategy 'thraed'"),
        ((*ONE, "--expect", "own.p50 < base"), "one is measured: name two"),
        ((*TWO, "--expect", "own.p50 < base", "--base", "pool"), "no measured strategy 'pool'"),
        ((*TWO, "--base", "thread"), "--base is about expectations"),
        ((*TWO, "--junit", "x.xml"), "--junit is about expectations"),
        ((*ONE, "--expect", "lost == 0", "--junit", "no/x.xml"), "no/x.xml cannot be written"),
        ((*ONE, "--summary", "."), "cannot be written"),
        ((*ONE, "--expect-file", "none.toml"), "cannot be read as TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_measured(here, measured, arguments, said):
    measured(AssertionError("nothing may be measured"))
    done = compare(*arguments, "--out", "X")
    assert_is_refused(done)
    assert said in done.stderr
    assert written(here / "X") == []
