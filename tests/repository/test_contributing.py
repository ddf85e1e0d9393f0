"""What .github/CONTRIBUTING.md shows works: each of its sections is executed, top to bottom."""

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
    assert list(SECTIONS) == ["A strategy", "A workload", "A mode", "A claim", "A way of updating the page"]


@pytest.mark.parametrize("page", [PAGE, PAGE.with_name("CHANGELOG.md")], ids=lambda page: page.name)
def test_what_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:labkit|tests|notebooks|\.ci|\.github)/[\w./-]*)`", text)
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert missing + [name for name in linked if not (page.parent / name).exists()] == []
