"""Who is to blame, in words: the cause, the share, the line, and what to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.base.text import about
from labkit.experiments.waits import HEARTBEATS, NO_EVENTS, THE_LOOP
from labkit.inside.watched import CAUSES, CLIENT, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP

if TYPE_CHECKING:
    from labkit.experiments.blame import Finding, Waited

#: So many findings are told.
_TOLD = 3

_ENTRIES = {"event": "the handler of `{}`", "route": "the route `{}`", "task": "the task `{}`", "library": "`{}`"}


def told(findings: Sequence[Finding], rows: Sequence[Waited]) -> str:
    """The findings, the worst first, a paragraph each."""
    machine = CAUSES[CORE]
    people = [finding for finding in findings if finding.cause in CAUSES and finding.cause != machine]
    said = [_sentence(finding) for finding in people[:_TOLD]]
    if not people:
        longest = max((row.longest_s for row in rows if row.events and row.name != HEARTBEATS), default=0.0)
        waited = f"no event waited for more than {about(longest * 1000)}" if longest else "no event waited"
        said = [f"Nothing to blame: {waited}."]
    busy = next((finding for finding in findings if finding.cause == machine), None)
    if busy is not None and not people:
        said = [f"Nothing in the app is to blame. {_sentence(busy)}"]
    elif busy is not None:
        said.append(_sentence(busy))
    return "\n".join(said)


def _sentence(finding: Finding) -> str:
    cause, who = CAUSES.index(finding.cause), _ENTRIES[finding.kind].format(finding.by)
    where = f"`{finding.where}`" if finding.where else _capital(who)
    of = f"of the time that {_waited(finding.waited)} waited"
    if finding.waited == THE_LOOP:
        of = "of the time that the event loop stood still"
    share, longest = f"{finding.share:.0%}", about(finding.longest_s * 1000)
    runs = f" It runs in {who}" if finding.where else ""
    if cause == GIL:
        said = f"{where} held the GIL for {share} {of}, up to {longest} at once.{_stop(runs)}"
    elif cause == LOOP:
        said = f"{where} held the event loop for {share} {of}, up to {longest} at once.{_stop(runs)}"
    elif cause == RECEIVE_LOOP:
        said = (
            f"{where} held the receive loop of its own client for {share} {of}, up to {longest} at once: with "
            f"async_handlers=False a client's events are handled in turn.{_stop(runs)}"
        )
    elif cause in (LOCK, POOL):
        what = "a lock" if cause == LOCK else "all threads of a pool"
        at = f" waited for at `{finding.at}`," if finding.at else ""
        said = f"{where} held {what},{at} for {share} {of}, up to {longest} at once.{_stop(runs)}"
    elif cause == GC:
        at = f", set off at {where}," if finding.where else ""
        said = f"Garbage collection{at} held everybody up for {share} {of}, up to {longest} at once."
    elif cause == CLIENT:
        said = (
            f"A client does not read: what {where} sends to it piled up and was not taken for {longest}. It harms "
            "itself, and this process's memory."
        )
    else:
        return f"No core was free for {share} {of}: other processes of this machine had them. {_next(finding)}"
    return f"{said}{_lost(finding)} {_next(finding)}"


def _lost(finding: Finding) -> str:
    """The clients that it cost."""
    if not finding.lost:
        return ""
    clients = "1 client was" if finding.lost == 1 else f"{finding.lost} clients were"
    return f" {clients} lost for it: the server took no heartbeat of theirs until their ping timeout was over."


def _next(finding: Finding) -> str:
    """What to do with it."""
    cause = CAUSES.index(finding.cause)
    if cause in (GIL, LOOP, RECEIVE_LOOP):
        if finding.target:
            return f"Next: `labkit compare {finding.target}` measures what would help."
        if finding.kind == "library":
            return "Next: read what the app gives that library to do."
        return "Next: put that work into a function of a module, and measure it with `labkit compare MODULE:FUNCTION`."
    return {
        LOCK: "Next: do the slow part before the lock is taken, and measure again.",
        POOL: "Next: give the pool more threads, or the tasks less to do, and measure again.",
        GC: "Next: `gc.freeze()` once the app has started, and measure again.",
        CORE: "Next: measure on a machine that has nothing else to do; `labkit doctor` tells what this one has.",
        CLIENT: "Next: send it less, or disconnect it; `labkit.slow_reader` measures what that saves.",
    }[cause]


def _waited(name: str) -> str:
    return name if name in (*NO_EVENTS, HEARTBEATS) else f"`{name}`"


def _stop(text: str) -> str:
    return f"{text}." if text else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
