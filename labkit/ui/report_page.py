"""What ``labkit run`` has seen, as one page that needs no network: the verdict first, then all that it rests on.

Whatever an app or its clients have named is text in it: the template escapes it, the script only ever sets text. A
policy in the page forbids everything but its own style and its own script.
"""

import base64
import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base.clock import NS_PER_S
from labkit.base.errors import UsageError
from labkit.base.files import whole
from labkit.base.text import about, milliseconds
from labkit.base.typed import typed
from labkit.experiments import inside_shown, inside_summary, inside_told
from labkit.experiments.blame import Blame
from labkit.experiments.blame_matrix import Matrix, matrix, seconds
from labkit.experiments.inside_process import Looked
from labkit.experiments.inside_summary import EventRow
from labkit.experiments.waits import HEARTBEATS
from labkit.inside import trace_file
from labkit.inside.record import UNKNOWN, Connection
from labkit.inside.run_folder import Ran
from labkit.runs import environment
from labkit.runs.stages import MISSING
from labkit.ui import inside_tables, report_charts, report_timeline
from labkit.ui.commands.session import RESULTS

if TYPE_CHECKING:
    from markupsafe import Markup

_BESIDE = Path(__file__).parent

#: Names of the files that are written.
PAGE, TRACE = "report.html", "trace.json"

#: So many rows of a table.
ROWS_SHOWN, CONNECTIONS_SHOWN = 40, 20

#: The machine of a run, beside it: a report is made again elsewhere.
_MACHINE = "machine.json"
_MACHINE_TOLD = {"system": str, "cores": int, "python": str, "versions": dict[str, str | None]}


#: Between two sentences: each is a line of a list.
_SENTENCES = re.compile(r"(?<=\.) (?=[`A-Z0-9])")


def write(ran: Ran, folder: Path, page: Path | None = None, looked: Sequence[Looked] | None = None) -> Path:
    """Write the page, and a trace for Perfetto beside it.

    Args:
        ran: what a run's folder holds.
        folder: that one.
        page: where the page goes; None for ``report.html`` in the folder, with ``trace.json`` beside it. Else the
            trace is named for the page.
        looked: the processes that are shown, where somebody has them already.

    Returns:
        where the page is.

    Raises:
        UsageError: it cannot be written there.
    """
    trace = folder / TRACE if page is None else page.with_name(f"{page.stem}-{TRACE}")
    page = folder / PAGE if page is None else page
    looked = inside_tables.last(ran) if looked is None else looked
    try:
        with whole(page) as half:
            half.write_text(html(ran, looked, folder, trace.name), encoding="utf-8", newline="\n")
        trace_file.save(trace, ((each.served.pid, each.served.record, each.watched) for each in looked))
    except OSError as error:
        raise UsageError(f"{page} cannot be written ({error.strerror}): name a file with --out") from error
    return page


def keep_machine(folder: Path) -> None:
    """Note in a run's folder on what it ran; called where it runs.

    Raises:
        OSError: it cannot be written.
    """
    with whole(folder / _MACHINE) as path:
        path.write_text(json.dumps(environment.describe()), "utf-8")


def html(ran: Ran, looked: Sequence[Looked], folder: Path, trace: str = TRACE) -> str:
    """The page as text.

    Args:
        ran: what a run's folder holds.
        looked: the processes that are shown.
        folder: from which they come.
        trace: the name of the file for Perfetto.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    maker = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(_BESIDE),
    )
    script = (_BESIDE / "report.js").read_text("utf-8")
    most = report_timeline.EVENTS_SHOWN // max(1, len(looked))
    return maker.get_template("report.html.j2").render(
        ran=ran,
        processes=[_process(at, each, most) for at, each in enumerate(looked)],
        hidden=len(ran.served) - len(looked),
        command=_command(ran),
        machine=_machine(folder),
        policy=_policy(script),
        script=Markup(script),
        style=Markup((_BESIDE / "report.css").read_text("utf-8")),
        folder=_folder(folder.resolve()),
        trace=trace,
        nothing="" if looked else inside_tables._nothing(ran),
        chart_width=report_charts.WIDTH,
        chart_base=report_charts.BASE,
        about=about,
        milliseconds=milliseconds,
        seconds=seconds,
        heartbeats=HEARTBEATS,
        spread=inside_shown.spread,
        said=_said,
    )


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    allowed = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _process(at: int, looked: Looked, most: int) -> dict[str, Any]:
    """What the template says of one process."""
    record = looked.served.record
    rows = inside_summary.events(record)
    lines = report_timeline.timeline(record, looked.watched, most)
    return {
        "id": f"process-{at + 1}",
        "heading": inside_tables._heading(looked.served),
        "findings": [] if looked.blame is None else str(looked.blame.told()).splitlines(),
        "sentences": _SENTENCES.split(inside_told.told(record)),
        "why_not": looked.why_not,
        "doubts": inside_tables._doubts(looked.served),
        "unseen": dict.fromkeys((*record.unseen, *(looked.blame.unseen if looked.blame else ()))),
        "matrix": _matrix(looked.blame),
        "worst": looked.watched.worst[:5] if looked.watched else (),
        "timeline": lines,
        "longest": _longest(looked),
        "events": rows[:ROWS_SHOWN],
        "more_events": len(rows) - ROWS_SHOWN,
        "charts": _charts(looked, rows[:ROWS_SHOWN]),
        "emits": inside_summary.emits(record)[:ROWS_SHOWN],
        "connections": inside_summary.connections(record),
        "notable": _notable(looked),
        "errors": [(row.shown, kind, count) for row in rows for kind, count in row.errors.items()],
        "unhandled": [(row.shown, row.unhandled) for row in rows if row.unhandled],
        "settings": record.settings,
        "versions": looked.served.versions or {},
        "started": record.started_utc,
    }


def _matrix(blame: Blame | None) -> Matrix | None:
    return matrix(blame) if blame is not None and blame.rows else None


def _charts(looked: Looked, rows: Iterable[EventRow]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """By event, a drawing a kind of duration, all on one axis."""
    record = looked.served.record
    found = {
        (row.name, row.namespace): report_charts.durations(
            record, record.names.index(row.name), record.namespaces.index(row.namespace)
        )
        for row in rows
    }
    axes = {kind: report_charts.axis([each[kind] for each in found.values()]) for kind in report_charts.KINDS}
    return {
        key: {kind: report_charts.chart(each[kind], axes[kind]) for kind in report_charts.KINDS}
        for key, each in found.items()
    }


def _longest(looked: Looked) -> list[dict[str, Any]]:
    """The events that waited longest for their handler, for those who can't point at them."""
    import numpy as np

    record = looked.served.record
    columns = {name: np.frombuffer(values, np.int64) for name, values in record.events.items()}
    came = np.where(columns["read"] != MISSING, columns["read"], columns["dispatched"])
    start, end = columns["handler_start"], columns["handler_end"]
    waited = np.where((came != MISSING) & (start != MISSING), start - came, -1)
    found = []
    for row in np.argsort(-waited, kind="stable")[:10].tolist():
        if waited[row] < inside_told.WORTH_TELLING_MS * 1e6 / 20:
            break
        found.append(
            {
                "number": int(columns["number"][row]),
                "name": record.name_of(row),
                "at_s": (int(came[row]) - record.started_ns) / NS_PER_S,
                "waited_ms": int(waited[row]) / 1e6,
                "took_ms": (int(end[row]) - int(start[row])) / 1e6 if end[row] else None,
                "cpu_ms": int(columns["cpu_ns"][row]) / 1e6 if columns["cpu_ns"][row] != UNKNOWN else None,
                "connection": int(columns["connection"][row]),
            }
        )
    return found


def _notable(looked: Looked) -> list[Connection]:
    """Connections worth a look: by polling for good, close to being thrown out, or with a heap before them."""
    record = looked.served.record
    timeout_s = record.settings.get("ping_timeout_s") or 0

    def weight(each: Connection) -> float:
        little = each.headroom_s is not None and each.headroom_s < inside_told.LITTLE_HEADROOM * timeout_s
        heap = max(each.unread_most, each.unsent_most)
        stays = each.never_upgraded and (each.open_s(record.taken_ns) or 0) >= inside_summary.UPGRADES_WITHIN_S
        timed_out = each.reason not in ("", "client disconnect", "server disconnect", "transport close")
        return 1000 * little + 1000 * timed_out + 500 * stays + (heap if heap >= inside_told.HEAP else 0)

    found = sorted((each for each in record.connections if weight(each)), key=lambda each: -weight(each))
    return found[:CONNECTIONS_SHOWN]


def _machine(folder: Path) -> Mapping[str, Any]:
    """On what it ran; empty where nobody noted that."""
    for place in (folder, folder.parent):
        try:
            told = json.loads((place / _MACHINE).read_text("utf-8"))
            return {name: typed(kind, told[name]) for name, kind in _MACHINE_TOLD.items()}
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
    return {}


def _folder(folder: Path) -> str:
    """Its name as people type it where they have run the command; no more of its path than that."""
    return shlex.quote(f"{RESULTS}/{folder.name}" if folder.parent.name == str(RESULTS) else folder.name)


def _command(ran: Ran) -> str:
    """What to type to see the same again; "" where the folder does not say. Programs by their names: no paths."""
    if not ran.command:
        return ""
    first, *rest = ran.command
    if first == sys.executable and rest and not rest[0].startswith("-"):
        return shlex.join(["labkit", "run", *rest])
    if first == sys.executable and rest[:1] == ["-m"]:
        return shlex.join(["labkit", "run", *rest])
    return shlex.join(["labkit", "run", "--", Path(first).name, *rest])


def _said(sentence: str) -> "Markup":
    """Text in which what stands between backticks is code; everything in it is escaped."""
    from markupsafe import Markup, escape

    parts = sentence.split("`")
    code = [Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)]
    return Markup().join(code)
