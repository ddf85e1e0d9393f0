"""Verdicts as JUnit's XML, in the shape that pytest writes and CI readers take.

What does not hold is a failure. What cannot be told is an error: never a pass, and never taken for a fault of the app.
"""

import re
from xml.etree import ElementTree as Xml

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
    counts = {
        "errors": str(len(found.of(State.UNKNOWN))),
        "failures": str(len(found.of(State.BROKEN))),
        "skipped": "0",
        "tests": str(len(found)),
        "time": f"{seconds:.3f}",
    }
    root = Xml.Element("testsuites")
    whole = Xml.SubElement(root, "testsuite", {"name": _clean(suite), **counts})
    for verdict in found:
        _add(whole, verdict, suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(whole: Xml.Element, verdict: Verdict, suite: str) -> None:
    about = {"classname": _clean(f"{suite}.{verdict.strategy}"), "name": _clean(verdict.expectation.text)}
    case = Xml.SubElement(whole, "testcase", about)
    if verdict.state in _ELEMENTS:
        told = Xml.SubElement(case, _ELEMENTS[verdict.state], {"message": _clean(repr(verdict))})
        told.text = _clean(Verdicts((verdict,)).table().text())


def _clean(text: str) -> str:
    """The text without characters that no XML can hold: a name may have any."""
    return _NO_CHARACTER.sub("?", text)
