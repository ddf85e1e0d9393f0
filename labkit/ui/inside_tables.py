"""What was seen inside an app, in the terminal: readable at 80 columns."""

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from labkit.base.clock import NS_PER_S
from labkit.base.text import milliseconds
from labkit.experiments import inside_summary
from labkit.experiments.inside_summary import ConnectionsRow, EmitRow, EventRow, Spread
from labkit.inside.run_folder import Ran, Served
from labkit.ui.commands.packages import packages
from labkit.ui.grid import grid

#: Rows of each table; the rest is in the folder.
_ROWS = 20

#: Processes that are shown, the last ones: a reloader starts one after each change.
_PROCESSES = 4

_LEGEND = (
    "Milliseconds, median/p98; of fewer than 150 events median/largest. wait: read to handler; held: the connection's "
    "next packet had to wait."
)


def show(ran: Ran, console: Console) -> None:
    """Print what a run's folder holds."""
    say = Text
    for problem in ran.problems:
        console.print(say(f"labkit: {problem}"), soft_wrap=True)
    if not ran.served:
        console.print(say(f"labkit: {_nothing(ran)}"), soft_wrap=True)
        return
    shown = ran.served[-_PROCESSES:]
    for served in shown:
        console.print()
        console.print(of_served(served, console.width))
    if len(shown) < len(ran.served):
        console.print(say(f"{len(ran.served) - len(shown)} earlier processes are in the folder only.", style="dim"))
    parent = shown[-1].folder.parent
    console.print()
    console.print(say(f"Kept in {parent}; labkit report --text {parent}: this again.", style="dim"), soft_wrap=True)


def _nothing(ran: Ran) -> str:
    if ran.made:
        return "a Socket.IO server was made, and nobody connected to it"
    return (
        "saw no SocketIO server: the app makes none, or runs a Python that was told to ignore its environment "
        "(python -E, -I, -S)"
    )


def of_served(served: Served, width: int) -> RenderableType:
    """One process's record: tables, what follows in words, what could not be seen."""
    record = served.record
    rows = inside_summary.events(record)
    parts: list[RenderableType] = [Text(_heading(served), style="bold")]
    if rows:
        parts += [_events(rows[:_ROWS], width), Text(_LEGEND, style="dim")]
    if emits := inside_summary.emits(record):
        parts += [Text(), _emits(emits[:_ROWS])]
    parts += [Text(), Text(_connections(inside_summary.connections(record)))]
    parts += [Text(), Text(inside_summary.told(record))]
    parts += [Text(note, style="yellow") for note in _doubts(served)]
    parts += [Text(f"Not seen: {each}", style="dim") for each in record.unseen]
    return Group(*parts)


def _heading(served: Served) -> str:
    record = served.record
    seconds = (record.taken_ns - record.started_ns) / NS_PER_S
    mode = record.settings.get("async_mode", "unknown")
    handlers = "" if record.settings.get("async_handlers", True) else ", async_handlers=False"
    return (
        f"Process {served.pid}, async_mode={mode}{handlers}: {record.events_seen} events of "
        f"{record.connections_seen} connections in {seconds:.0f} s"
    )


def _events(rows: tuple[EventRow, ...], width: int) -> Table:
    headers = ("event", "count", "/s", "wait", "handler", "CPU", "held", "errors", "emits")
    shown = grid(headers, right=range(1, len(headers)), wrap=False)
    longest = max(12, width - 62)
    for row in rows:
        shown.add_row(
            Text(_cut(row.shown, longest)),
            str(row.count),
            f"{row.per_s:.1f}" if row.per_s < 100 else f"{row.per_s:.0f}",
            _spread(row.queue),
            _spread(row.service),
            milliseconds(row.cpu.p50_ms),
            milliseconds(row.held.tail_ms),
            str(sum(row.errors.values()) or "-"),
            str(row.emits or "-"),
        )
    return shown


def _emits(rows: tuple[EmitRow, ...]) -> Table:
    headers = ("emit", "calls", "receivers", "bytes each", "written after", "outside of handlers")
    shown = grid(headers, right=range(1, len(headers)), wrap=False)
    for row in rows:
        name = row.name if row.namespace == "/" else f"{row.name} in {row.namespace}"
        receivers = f"{row.receivers:.0f}"
        if row.receivers_most > row.receivers:
            receivers += f", most {row.receivers_most}"
        shown.add_row(
            Text(_cut(name, 20)),
            str(row.count),
            receivers,
            f"{row.bytes:.0f}",
            _spread(row.written),
            str(row.elsewhere or "-"),
        )
    return shown


def _connections(row: ConnectionsRow) -> str:
    parts = [f"Connections: {row.seen}, {row.open} open"]
    parts.append(f"{row.websocket} by websocket at once, {row.upgraded} upgraded, {row.never_upgraded} never upgraded")
    if row.reasons:
        parts.append("ended: " + _counts(row.reasons))
    if row.headroom_s is not None:
        parts.append(f"least heartbeat headroom {row.headroom_s:.1f} s")
    if row.known < row.seen:
        parts.append(f"of the last {row.known}")
    return "; ".join(parts) + "."


def _doubts(served: Served) -> list[str]:
    record = served.record
    found = []
    if not served.ended:
        found.append(
            "The process could not save at its end: up to its last second, or more where much was kept, is missing."
        )
    if record.events_lost:
        found.append(f"The last {len(record)} events are kept of {record.events_seen}: ask for more with --events.")
    if record.failed:
        found.append(f"Hooks that failed and took themselves off: {', '.join(record.failed)}.")
    if served.patched_late:
        found.append(
            "gevent replaced threads after the server was made: call gevent.monkey.patch_all() before all imports."
        )
    return found + outside_of_ranges(served.versions or {})


def outside_of_ranges(versions: Mapping[str, str]) -> list[str]:
    """A sentence a library of the app that is of another version than labkit knows."""
    from packaging.specifiers import SpecifierSet

    ranges = {package.name: package.wanted for package in packages()}
    return [
        f"{name} {version} is not within {ranges[name]}, which labkit knows: some figures may be missing or wrong."
        for name, version in versions.items()
        if name in ranges and not SpecifierSet(ranges[name]).contains(version, prereleases=True)
    ]


def _spread(spread: Spread) -> str:
    if not spread.count:
        return "-"
    if spread.count == 1:
        return milliseconds(spread.p50_ms)
    return f"{milliseconds(spread.p50_ms)}/{milliseconds(spread.tail_ms)}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
