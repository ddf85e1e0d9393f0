"""Ways of updating a page, by name; and each of the page's is a file of its own."""

from importlib.resources import files

import pytest

from labkit.base.errors import UsageError
from labkit.browser.page import patterns
from labkit.browser.page.patterns import MORE, NAMES, NOT_COUNTED, PAGE_PATTERNS, Pattern, pattern


def test_every_name_is_a_pattern():
    names = (*NAMES, *MORE)
    assert [pattern(name).name for name in names] == list(names)
    assert {pattern(name).page for name in names} == set(PAGE_PATTERNS)
    assert set(NOT_COUNTED) <= set(PAGE_PATTERNS)


def test_what_collects_before_the_page_has_it_comes_as_one_message():
    assert [name for name in (*NAMES, *MORE) if pattern(name).collects] == [
        "server-batch-50",
        "server-batch-200",
        "worker",
    ]


def test_of_the_worker_both_files_are_shown():
    source = patterns.show("worker")
    assert "new Worker('socket-worker.js')" in source
    assert "importScripts('parts/socket.io.min.js')" in source


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


@pytest.fixture
def own(tmp_path):
    """A file of the reader's."""

    def write(name="mine.js", text="export function mine(view) {\n  return (updates) => view.wrote(updates);\n}\n"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_file_of_the_readers_is_a_pattern(own):
    assert pattern(own()) == pattern(str(own())) == Pattern("mine", "mine", source=own().read_text())
    assert pattern(own(), window_ms=50, called="both") == Pattern("both", "mine", 50, own().read_text())
    assert pattern(own(), window_ms=50).name == "mine, window_ms=50"
    assert patterns.show(own()) == own().read_text().rstrip()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("naive.js", "export function naive(view) {}", "naive is a pattern of the lab's"),
        ("server-batch-5.js", "export function batch(view) {}", "server-batch-5 is a pattern of the lab's"),
        ("my pattern.js", "export function mine(view) {}", "cannot be a pattern: name the file with letters"),
        ("mine.js", "function mine(view) {}", "must export one function"),
        ("mine.js", "export function a(view) {}\nexport function b(view) {}", "must export one function"),
    ],
)
def test_a_file_that_is_no_pattern_is_refused(own, name, text, why):
    with pytest.raises(UsageError, match=why):
        pattern(own(name, text))


def test_a_file_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        pattern(tmp_path / "mine.js")
    with pytest.raises(UsageError, match="cannot be a pattern"):
        pattern(tmp_path / "mine.mjs")


def test_each_is_a_few_lines_that_export_one_function():
    folder = files("labkit.browser") / "assets" / "patterns"
    assert {each.name for each in folder.iterdir()} == {f"{name}.js" for name in PAGE_PATTERNS}
    for name in PAGE_PATTERNS:
        source = patterns.show(name)
        assert source.count("export ") == 1
        assert len(source.splitlines()) <= (45 if name == "worker" else 30)
        # Text only, whatever an event brings.
        assert "innerHTML" not in source
