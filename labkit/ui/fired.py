"""A run that was fired at an app of the reader's, in the terminal and as JSON."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.text import about
from labkit.plan.exchange import BY_ACK, BY_NOTHING, BY_ORDER
from labkit.runs import environment
from labkit.runs import table as tables
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import HEARTBEAT, NO_BYSTANDER
from labkit.runs.run import Run
from labkit.runs.summary import Distribution, Summary, supported
from labkit.ui import terminal

if TYPE_CHECKING:
    from labkit.experiments.aim import Aim

#: Nobody watches a bar for less.
SHORT_S = 2.0

#: What nobody outside of the server can see.
NOT_KNOWN = (
    "handler-blocking time",
    "how long a connection was blocked",
    "the stages of an event inside the server",
    "what an event costs alone",
)

#: What a bystander's ping frames show; in the gap what that thread waits for.
HEARTBEAT_SHOWS = (
    "ping frames of a websocket, which the server's websocket library answers: in a thread of its own under Werkzeug "
    "and gunicorn{}, on the event loop under gevent, uvicorn and Node. They show whether the "
    "process can attend to anybody, and not that a handler would be reached"
)


def scope(aim: "Aim") -> Iterator[str]:
    """What is about to happen, a line each."""
    yield f"{aim.plan.name}; {asked(aim.exchange.to_dict())}; {aim.address.url}."
    if aim.link is not None:
        yield f"Between clients and server: {aim.link}."
    if aim.bystander != HEARTBEAT:  # what ping frames show is said at the end
        yield f"Bystander: {bystander(aim.bystander)}."


def asked(exchange: dict[str, Any]) -> str:
    """What is sent, and what counts as its answer."""
    said = f"each {exchange['event']!r}" + ("" if exchange["namespace"] == "/" else f" in {exchange['namespace']}")
    if exchange["answer"] == BY_ACK:
        return f"{said}, answered by its acknowledgement"
    if exchange["answer"] == BY_NOTHING:
        return f"{said}, answered by nothing"
    how = {BY_ORDER: "by the order of a client's answers", BY_NOTHING: "by nothing, so without a latency"}
    by = how.get(exchange["match"], f"by the field {exchange['match']}")
    return f"{said}, answered by {exchange['answer_event']!r}, matched {by}"


def bystander(told: str, *, has_gil: bool = True) -> str:
    """What it does, and what that shows of a server with a GIL, or without."""
    if told == NO_BYSTANDER:
        return "none"
    return (
        HEARTBEAT_SHOWS.format(" (it waits for the GIL)" if has_gil else "")
        if told == HEARTBEAT
        else f"the event {told!r}, by its acknowledgement"
    )


@contextmanager
def progress(console: Console, span_s: float) -> Iterator[Callable[[], None]]:
    """A bar of the time that has passed, where the plan is long enough; counts are not known before the end."""
    if span_s < SHORT_S or not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("firing; Ctrl-C keeps what was sent", total=span_s)
        began_ns = 0  # with the first tick: it takes a while until everybody is connected

        def tick() -> None:
            nonlocal began_ns
            began_ns = began_ns or now_ns()
            passed_s = (now_ns() - began_ns) / NS_PER_S
            told = "waiting for answers" if passed_s > span_s else "firing; Ctrl-C keeps what was sent"
            bar.update(task, completed=min(passed_s, span_s), description=told, refresh=True)

        yield tick


def final(run: Run, width: int) -> RenderableType:
    """The table, the books, and every reason for doubt."""
    result = Comparison((run,))
    (summary,) = result.summaries
    cells = tables.of_summaries(result.summaries, result.notes)
    cells = dataclasses.replace(cells, headers=("server", *cells.headers[1:]))
    legend, *doubts = cells.notes
    notes = [Text(note, style="bold red" if "INVALID" in note else "yellow") for note in doubts]
    parts: list[RenderableType] = [terminal.fitted(cells, result.summaries, width), Text(legend, style="dim")]
    if summary.kinds:
        by_name = tables.of_kinds(result.summaries)
        parts.append(Text(dataclasses.replace(by_name, headers=("server", "event", *by_name.headers[2:])).text()))
    if summary.fan_out is not None:
        room = tables.of_fan_out(result.summaries)
        parts.append(Text(dataclasses.replace(room, headers=("server", *room.headers[1:])).text()))
    lines = [books(run), latencies(summary), connected(run), f"Bystander: {bystander(run.conditions.bystander)}."]
    parts += [Text(line) for line in lines if line]
    parts.append(
        Text(
            f"Not known from outside: {', '.join(NOT_KNOWN)}. Start the server with labkit run before its command, and "
            "labkit report shows them.",
            style="dim",
        )
    )
    return Group(*parts, *notes)


def books(run: Run) -> str:
    """Every event has one outcome."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items() if count)
    return f"Books: {len(run)} events: {counts}; {run.unaccounted} unaccounted."


def latencies(summary: Summary) -> str:
    """Own latency, as far as the sample supports it."""
    if not len(summary.own):
        return ""
    shown = [f"p{p:g} {about(summary.own.percentile(p))}" for p in (50, 98, 99, 99.9) if supported(p, len(summary.own))]
    return f"Own latency from the intended start: {', '.join([*shown, f'max {about(summary.own.max_ms)}'])}."


def connected(run: Run) -> str:
    """How long it took to be let in."""
    waits = Distribution.of(run.connect_ms)
    if not len(waits):
        return ""
    ramp_s = run.conditions.ramp_s
    how = f"came within {ramp_s:g} s" if ramp_s else "came all at once"
    upgrades = Distribution.of(run.upgrade_ms)
    upgraded = f" The upgrade took {about(upgrades.p50_ms)} (median), at most {about(upgrades.max_ms)}."
    return (
        f"Connections: {len(waits)} {how}; let in after {about(waits.p50_ms)} (median), the slowest after "
        f"{about(waits.max_ms)}.{upgraded if len(upgrades) else ''}"
    )


def as_json(run: Run, *, early: str, folder: Path, figure: Path) -> str:
    """The documented object of ``labkit fire --json``; latencies that are infinite or unknown are null."""
    result = Comparison((run,))
    waits = Distribution.of(run.connect_ms)
    conditions = run.conditions
    more = {
        "url": conditions.url,
        "exchange": dict(conditions.exchange),
        "bystander": conditions.bystander,
        "network": dict(conditions.network) or None,
        "latency": {f"p{p:g}_ms": _percentile(result.summaries[0].own, p) for p in (50, 90, 98, 99, 99.9)},
        "unmatched": run.delivered("unmatched"),
        "connections": {
            "count": len(waits),
            "ramp_s": conditions.ramp_s,
            "p50_ms": _finite(waits.p50_ms),
            "max_ms": _finite(waits.max_ms),
            "upgrade_p50_ms": _finite(Distribution.of(run.upgrade_ms).p50_ms),
            "closed": conditions.closed_senders + conditions.closed_others,
            "closings": list(conditions.closings),
        },
        "not_known": list(NOT_KNOWN),
        "cut_short": conditions.is_cut_short,
        "contrasts": [],
    }
    line = early or f"{run.plan.name}; {asked(dict(conditions.exchange))}; {conditions.url}."
    about_it = json.loads(terminal.as_json(result, scope_line=line, figure=figure, folder=folder, more=more))
    return json.dumps({**about_it, "environment": environment.describe()}, indent=2, allow_nan=False)


def _percentile(own: Distribution, percent: float) -> float | None:
    return _finite(own.percentile(percent)) if supported(percent, len(own)) else None


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
