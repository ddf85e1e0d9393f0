"""What was seen inside an app, in the terminal: readable at 80 columns."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from labkit.base.clock import NS_PER_S
from labkit.base.text import milliseconds
from labkit.experiments import inside_summary, inside_told
from labkit.experiments.inside_process import Looked, looked
from labkit.experiments.inside_summary import ConnectionsRow, EmitRow, EventRow, Spread
from labkit.inside.run_folder import Ran, Served
from labkit.ui.commands.packages import packages
from labkit.ui.grid import grid

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

#: Rows of each table; the rest is in the folder.
_ROWS = 20

#: Processes that are shown, the last ones: a reloader starts one after each change.
PROCESSES_SHOWN = 4

_LEGEND = (
    "Milliseconds (s: seconds), median/p98; of fewer than 150 events median/largest. wait: read to handler; held: the "
    "connection's next packet had to wait."
)

_EMIT_LEGEND = "receivers and bytes: of one call, median. written: call to last socket. outside: of handlers."


def last(ran: Ran) -> list[Looked]:
    """The processes that are shown, with who made whom wait in them."""
    return [looked(served) for served in ran.served[-PROCESSES_SHOWN:]]


def show(ran: Ran, console: Console, shown: Sequence[Looked] | None = None) -> None:
    """Print what a run's folder holds.

    Args:
        ran: that.
        console: where.
        shown: the processes that are shown, where somebody has them already.
    """
    say = Text
    for problem in ran.problems:
        console.print(say(f"labkit: {problem}"), soft_wrap=True)
    if not ran.served:
        console.print(say(f"labkit: {_nothing(ran)}"), soft_wrap=True)
        return
    shown = last(ran) if shown is None else shown
    for each in shown:
        console.print()
        console.print(of_process(each, console.width))
    if len(shown) < len(ran.served):
        console.print(say(f"{len(ran.served) - len(shown)} earlier processes are in the folder only.", style="dim"))
    parent = shown[-1].served.folder.parent
    console.print()
    console.print(say(f"Kept in {parent}; labkit report --text {parent}: this again.", style="dim"), soft_wrap=True)


def _nothing(ran: Ran) -> str:
    if ran.made and ran.problems:
        return "a Socket.IO server was made, and nothing was seen of it"
    if ran.made:
        return "a Socket.IO server was made, and nobody connected to it"
    return (
        "saw no SocketIO server: the app makes none, or runs a Python that was told to ignore its environment "
        "(python -E, -I, -S)"
    )


def of_process(shown: Looked, width: int) -> RenderableType:
    """One process's record: tables, what follows in words, what could not be seen."""
    served, record = shown.served, shown.served.record
    rows = inside_summary.events(record)
    parts: list[RenderableType] = [Text(_heading(served), style="bold")]
    if rows:
        parts += [_events(rows[:_ROWS], width), Text(_LEGEND, style="dim")]
    if emits := inside_summary.emits(record):
        parts += [Text(), _emits(emits[:_ROWS], width), Text(_EMIT_LEGEND, style="dim")]
    parts += [Text(), Text(_connections(inside_summary.connections(record)))]
    blame = None if shown.blame is None else str(shown.blame.told())
    parts += [Text(), Text(inside_told.told(record, blame))]
    parts += [Text(note, style="yellow") for note in (shown.why_not, *_doubts(served)) if note]
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


def _events(rows: Sequence[EventRow], width: int) -> Table:
    headers = ("event", "count", "/s", "wait", "handler", "CPU", "held", "errors", "emits")
    cells = [
        (
            row.shown,
            _count(row.count),
            f"{row.per_s:.1f}" if row.per_s < 100 else f"{row.per_s:.0f}",
            _spread(row.queue),
            _spread(row.service),
            _short(row.cpu.p50_ms),
            _short(row.held.tail_ms),
            _count(sum(row.errors.values())) or "-",
            _count(row.emits) or "-",
        )
        for row in rows
    ]
    return _fitted(headers, cells, width)


def _emits(rows: Sequence[EmitRow], width: int) -> Table:
    headers = ("emit", "calls", "receivers", "bytes", "written", "outside")
    cells = []
    for row in rows:
        receivers = _count(round(row.receivers)) or "0"
        if row.receivers_most > row.receivers:
            receivers += f", most {_count(row.receivers_most)}"
        written, outside = _spread(row.written), _count(row.elsewhere) or "-"
        cells.append((row.shown, _count(row.count), receivers, f"{row.bytes:.0f}", written, outside))
    return _fitted(headers, cells, width)


def _fitted(headers: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Table:
    """A table no wider than the terminal: the names in its first column are cut, since figures cannot be."""
    shown = grid(headers, right=range(1, len(headers)), wrap=False)
    taken = sum(2 + max(len(row[column]) for row in (headers, *cells)) for column in range(1, len(headers)))
    for name, *figures in cells:
        shown.add_row(Text(_cut(name, max(8, width - taken - 1))), *figures)
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
    if not served.ended and served.asked:
        found.append(
            "It died of a signal: what it did in its last tenth of a second, or more where much was kept, is missing."
        )
    elif not served.ended:
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
        if name in ranges and not _is_within(version, SpecifierSet(ranges[name]))
    ]


def _is_within(version: str, wanted: "SpecifierSet") -> bool:
    from packaging.version import InvalidVersion

    try:
        return wanted.contains(version, prereleases=True)
    except InvalidVersion:  # of somebody's own build
        return False


def _spread(spread: Spread) -> str:
    if not spread.count:
        return "-"
    if spread.count == 1:
        return _short(spread.p50_ms)
    return f"{_short(spread.p50_ms)}/{_short(spread.tail_ms)}"


def _count(number: int) -> str:
    """A count in four characters; nothing for none."""
    if number >= 999_500:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e3:.0f}k" if number >= 10_000 else str(number or "")


def _short(value_ms: float) -> str:
    """Milliseconds in four characters, or seconds where they are more."""
    return f"{value_ms / 1e3:.0f}s" if value_ms >= 9_999.5 else milliseconds(value_ms)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
