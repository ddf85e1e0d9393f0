"""The glossary: two sentences an entry at most, each with the notebook in which the word is seen."""

import re
from pathlib import Path

import pytest

GLOSSARY = Path(__file__).parents[2] / "notebooks" / "glossary.md"

#: Words that notebooks use without explaining them each time.
WORDS = [
    "gil",
    "thread",
    "greenlet",
    "event-loop",
    "receive-loop",
    "bystander",
    "listener",
    "handler-blocking-time",
    "connection-blocked",
    "head-of-line-blocking",
    "inbox-wait",
    "service-time",
    "utilisation",
    "open-loop",
    "closed-loop",
    "coordinated-omission",
    "intended-start",
    "percentile",
    "goodput",
    "load-shedding",
    "conflation",
    "backpressure",
    "one-greedy-client",
    "a-room-of-clients",
    "inp",
    "long-task",
    "long-animation-frame",
    "layout",
    "reflow",
    "forced-synchronous-layout",
    "staleness",
    "nbval",
    "headroom",
]


def entries():
    """By its words, what an entry says."""
    parts = re.split(r"^- ", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = [re.fullmatch(r"\*\*(.+?)\*\*(.*?):\s(.+)", part.partition("\n\n")[0].strip(), re.DOTALL) for part in parts]
    assert all(found), [part for part, entry in zip(parts, found, strict=True) if entry is None]
    return {entry[1] + entry[2]: " ".join(entry[3].split()) for entry in found}


every_entry = pytest.mark.parametrize(("word", "says"), entries().items(), ids=list(entries()))


@pytest.mark.parametrize("word", WORDS)
def test_it_explains(word):
    heads = " ".join(entries()).lower()
    assert word.replace("-", " ") in heads.replace("-", " ")


@every_entry
def test_an_entry_is_two_sentences_at_most(word, says):
    text = re.sub(r"\[\d+\]\([^)]*\),?", "", says)
    assert 1 <= len(re.findall(r"[.?!](?=\s|$)", text)) <= 2, text


@every_entry
def test_an_entry_ends_with_the_notebooks_in_which_it_is_seen(word, says):
    links = re.findall(r"\[(\d\d)\]\(([^)]+)\)", says)
    assert links
    assert says.endswith(")")
    assert all(path.startswith(number) and (GLOSSARY.parent / path).exists() for number, path in links)


def test_no_word_is_explained_twice():
    heads = re.findall(r"^- \*\*(.+?)\*\*", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(heads)) == len(heads) == len(entries())
