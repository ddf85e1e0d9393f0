"""Ways of updating a page, by name; and each of the page's is a file of its own."""

from importlib.resources import files

import pytest

from labkit.browser import patterns
from labkit.browser.patterns import NAMES, PAGE_PATTERNS, Pattern, pattern
from labkit.errors import UsageError


def test_every_name_is_a_pattern():
    assert [pattern(name).name for name in NAMES] == list(NAMES)
    assert {pattern(name).page for name in NAMES} == set(PAGE_PATTERNS)


def test_a_batching_server_has_a_window_of_any_length():
    assert pattern("server-batch-75") == Pattern("server-batch-75", "dom-batch", 75)


def test_a_window_goes_before_any_pattern():
    assert pattern("naive", window_ms=50) == Pattern("naive, window_ms=50", "naive", 50)


@pytest.mark.parametrize("name", ["", "fast", "server-batch", "server-batch-0", "server-batch-x", "naive "])
def test_a_pattern_that_there_is_not_is_refused(name):
    with pytest.raises(UsageError, match="unknown pattern"):
        pattern(name)


@pytest.mark.parametrize("window_ms", [0, -1, 1e9, float("nan")])
def test_a_window_that_makes_no_sense_is_refused(window_ms):
    with pytest.raises(UsageError, match="window_ms must be"):
        pattern("naive", window_ms=window_ms)


def test_each_is_a_few_lines_that_export_one_function():
    folder = files("labkit.browser") / "assets" / "patterns"
    assert {each.name for each in folder.iterdir()} == {f"{name}.js" for name in PAGE_PATTERNS}
    for name in PAGE_PATTERNS:
        source = patterns.show(name)
        assert source.count("export ") == 1
        assert len(source.splitlines()) <= 30
        # Text only, whatever an event brings.
        assert "innerHTML" not in source
