"""What README and .github/CONTRIBUTING.md show works: it is executed, top to bottom. What the pages name is there."""

import re
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import labkit as lab
from labkit.claims import CLAIMS
from labkit.plan import modes, work
from tests.support.browsing import needed
from tests.support.helpers import nothing_left_behind

ROOT = Path(__file__).parents[2]
PAGE = ROOT / ".github" / "CONTRIBUTING.md"
README = ROOT / "README.md"
PAGES = [README, *sorted(PAGE.parent.glob("*.md"))]


def write(example):
    """A file of another language, named by the comment in its first line."""
    name = re.match(r"// ([\w.-]+)\n", example.parsed).group(1)
    Path(name).write_text(example.parsed, encoding="utf-8")


def sections():
    """Of each section with code its title and its examples."""
    document = Document.parse(str(PAGE), PythonCodeBlockParser(), CodeBlockParser("js", write))
    headings = [(m.start(), m[1]) for m in re.finditer(r"^## (.+)$", document.text, re.MULTILINE)]
    found: dict[str, list] = {}
    for example in document.examples():
        title = [title for start, title in headings if start < example.start][-1]
        found.setdefault(title, []).append(example)
    return found


SECTIONS = sections()


@pytest.fixture
def registries():
    """What the examples register is gone afterwards."""
    before = [(registry, dict(registry)) for registry in (modes.MODES, work.KINDS, CLAIMS)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


@pytest.fixture(scope="module")
def session():
    """The session's client process, and whatever else stays open after a first measurement."""
    lab.measure("inline", lab.io_wait(1), lab.burst(1))


@pytest.mark.measured
@pytest.mark.usefixtures("registries", "session")
@pytest.mark.parametrize("title", SECTIONS)
def test_what_is_shown_works(title, tmp_path, monkeypatch):
    if "page" in title:
        needed(exact=True)
    monkeypatch.chdir(tmp_path)
    namespace = SECTIONS[title][0].namespace
    namespace.clear()
    namespace["__name__"] = "contributing"  # no module: what is defined here travels by value
    with nothing_left_behind():
        for example in SECTIONS[title]:
            example.evaluate()


def test_every_way_of_adding_is_shown():
    assert list(SECTIONS) == ["A strategy", "A kind of work", "A mode", "A claim", "A way of updating the page"]


@pytest.mark.measured
def test_what_the_readme_shows_works():
    (example,) = Document.parse(str(README), PythonCodeBlockParser()).examples()
    shown = str(example.parsed)
    assert "ms=100" in shown
    namespace: dict[str, object] = {}
    with nothing_left_behind():
        exec(shown.replace("ms=100", "ms=5"), namespace)  # the same steps, sooner
    assert len(namespace["run"]) == 10
    assert namespace["result"].strategies == ("inline", "thread")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:labkit|tests|notebooks|\.ci|\.github)/[\w./-]*)`", text)
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [name for name in named if name != "labkit-results/TIME" and not (ROOT / name).exists()]
    assert missing + [name for name in linked if not (page.parent / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_a_page_lead_to_a_heading_of_it(page):
    text = page.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in _headings(text)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def _headings(text):
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def test_every_page_is_linked_from_the_readme():
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(.github/{page.name})" not in text] == []


@pytest.mark.parametrize(
    "question", ["a strategy", "a kind of schedule", "a figure", "a hook on rooms", "a check that a run is too short"]
)
def test_where_a_thing_goes_is_answered_in_one_row(question):
    table = PAGE.read_text(encoding="utf-8").partition("## Where does it go?")[2].partition("\n## ")[0]
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {question} |")]
    named = re.findall(r"`((?:labkit|tests)/[\w./-]*)`", row)
    assert any(name.startswith("labkit/") for name in named)
    assert any(name.startswith("tests/") for name in named)
