"""Markdown for the summary of a step in CI: verdicts first, no markup out of names, appended."""

import pytest

from labkit.base.errors import UsageError
from labkit.runs.diff import diff
from labkit.runs.verdicts import verdicts
from labkit.ui import markdown
from tests.runs.test_diff import side
from tests.support import simulated


def test_the_verdicts_come_first():
    result = simulated.comparison({"inline": {"own_ms": 900}, "thread": {"own_ms": 300}})
    told = markdown.of_comparison("10 events", result, verdicts(result, "own.max < 500ms", "own.p99 < 1s"))
    assert told.index("**Not as expected.** Expectations: 1 of 4 hold") < told.index("| inline     | own.max < 500ms")
    assert told.index("| inline     | own.max < 500ms") < told.index("| strategy   | verdict own/bystander")
    assert "30 events support no p99, which takes 300" in told
    assert told.endswith("\n\n")


def test_without_expectations_it_is_the_table():
    result = simulated.comparison({"inline": {}})
    told = markdown.of_comparison("10 events", result, None)
    assert "xpect" not in told
    assert "| inline" in told


def test_a_diff_says_what_may_explain_it_first():
    told = markdown.of_diff(
        "A is x, B is y.", diff(side(5, 1, weather=0.01), side(5, 2, slower=2, weather=0.01, work="other"))
    )
    assert told.index("Differs: work") < told.index("**inline, own.p50: B is ") < told.index("| inline")


def test_names_are_no_markup():
    result = simulated.comparison({"*a*|<b>": {"outcomes": {"failed": 1}, "messages": {9: "<script> | x"}}})
    told = markdown.of_comparison("<img> `x`", result, None)
    assert "\\<img\\> \\`x\\`" in told
    assert "\\<script\\>" in told
    assert "\\|<b>" in told  # within a cell only the bar would end it


def test_it_is_appended(tmp_path):
    path = tmp_path / "summary.md"
    markdown.append(path, "one\n")
    markdown.append(path, "two\n")
    assert path.read_text() == "one\ntwo\n"
    with pytest.raises(UsageError, match="cannot be written"):
        markdown.append(tmp_path / "no" / "summary.md", "x")
