"""Verdicts as JUnit's XML: what CI readers count, and names that no XML can hold."""

from xml.etree import ElementTree as Xml

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.runs.verdicts import verdicts
from labkit.ui import junit
from tests.support import simulated

pytest_plugins = ["pytester"]


def read(found, **about):
    return Xml.fromstring(junit.xml(found, **about))


def test_failures_and_errors_are_counted_apart():
    found = verdicts(simulated.run(own_ms=[300] * 10), "own.max < 1s", "own.max < 1ms", "own.p99 < 1s")
    (suite,) = read(found, seconds=1.5)
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
        "time": "1.500",
    }
    holds, broken, unknown = suite
    assert list(holds) == []
    assert (holds.get("classname"), holds.get("name")) == ("labkit.inline", "own.max < 1s")
    assert broken[0].tag == "failure"
    assert "DOES NOT HOLD: inline, own.max < 1ms: 300 ms" in broken[0].get("message")
    assert "10 answered" in broken[0].text
    assert unknown[0].tag == "error"
    assert "10 events support no p99" in unknown[0].get("message")


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=20))
def test_any_name_gives_xml(name):
    (suite,) = read(verdicts(simulated.run(name, own_ms=1), "own.max < 0.1ms"))
    assert suite[0].get("name") == "own.max < 0.1ms"


def test_pytest_writes_the_same_shape(pytester):
    pytester.makepyfile("def test_a():\n    assert False\n")
    pytester.runpytest_inprocess("--junitxml=theirs.xml", "-p", "no:cacheprovider", "-p", "no:nbval")
    theirs = Xml.parse(pytester.path / "theirs.xml").getroot()
    ours = read(verdicts(simulated.run(own_ms=9), "own.max < 1ms"))
    assert [each.tag for each in ours.iter()] == [each.tag for each in theirs.iter()]
    for mine, its in zip(ours.iter(), theirs.iter(), strict=True):
        assert set(mine.keys()) <= set(its.keys()), mine.tag
