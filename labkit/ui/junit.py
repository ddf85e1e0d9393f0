"""Verdicts as JUnit's XML, in the shape that pytest writes and CI readers take.

What does not hold is a failure. What cannot be told is an error: never a pass, and never taken for a fault of the app.
"""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as Xml

from labkit.runs.diff import Change, Diff, Direction
from labkit.runs.verdicts import State, Verdict, Verdicts

#: What XML 1.0 has no place for, however it is escaped (https://www.w3.org/TR/xml/#charsets).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_ELEMENTS = {State.BROKEN: "failure", State.UNKNOWN: "error"}


def xml(found: Verdicts, *, suite: str = "labkit", seconds: float = 0.0) -> str:
    """The document.

    Args:
        found: the verdicts.
        suite: its name.
        seconds: how long all runs took.
    """
    return _document((), found, suite, seconds)


def of_changes(changes: Diff, found: Verdicts | None, *, suite: str = "labkit.gate", seconds: float = 0.0) -> str:
    """The document of two versions side by side: a case a figure, then one an expectation.

    Args:
        changes: the figures. Where expectations speak of the base, those decide, and no figure is a failure.
        found: the verdicts; None where nothing is expected.
        suite, seconds: as for :func:`xml`.
    """
    return _document(changes, () if found is None else found, suite, seconds)


def _document(changes: Iterable[Change], verdicts: Iterable[Verdict], suite: str, seconds: float) -> str:
    root = Xml.Element("testsuites")
    whole = Xml.SubElement(root, "testsuite", {"name": _clean(suite)})
    verdicts = list(verdicts)
    decided = any(verdict.expectation.of_base for verdict in verdicts)
    for change in changes:
        _add_change(whole, change, suite, decides=not decided)
    for verdict in verdicts:
        _add(whole, verdict, suite)
    for name, element in (("errors", "case/error"), ("failures", "case/failure")):
        whole.set(name, str(len(whole.findall(f"test{element}"))))
    whole.set("skipped", "0")
    whole.set("tests", str(len(whole)))
    whole.set("time", f"{seconds:.3f}")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_change(whole: Xml.Element, change: Change, suite: str, *, decides: bool) -> None:
    about = {"classname": _clean(f"{suite}.{change.strategy}"), "name": _clean(change.quantity.name)}
    case = Xml.SubElement(whole, "testcase", about)
    element = {Direction.SLOWER: "failure", Direction.UNKNOWN: "error"}.get(change.direction) if decides else None
    if element:
        Xml.SubElement(case, element, {"message": _clean(repr(change))})
    else:
        Xml.SubElement(case, "system-out").text = _clean(repr(change))


def _add(whole: Xml.Element, verdict: Verdict, suite: str) -> None:
    about = {"classname": _clean(f"{suite}.{verdict.strategy}"), "name": _clean(verdict.expectation.text)}
    case = Xml.SubElement(whole, "testcase", about)
    if verdict.state in _ELEMENTS:
        told = Xml.SubElement(case, _ELEMENTS[verdict.state], {"message": _clean(repr(verdict))})
        told.text = _clean(Verdicts((verdict,)).table().text())


def _clean(text: str) -> str:
    """The text without characters that no XML can hold: a name may have any."""
    return _NO_CHARACTER.sub("?", text)
