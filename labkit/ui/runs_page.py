"""Runs as one page that needs no network: what ``labkit fire``, ``labkit compare`` and ``labkit gate`` have measured.

The verdict first, then the table, the figures, the books, every reason for doubt, and what it was measured with. Names
that clients or an app have chosen are text in it: the template escapes them. The page holds no script at all.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labkit.base.errors import RecordError, UsageError
from labkit.base.files import record_text, whole
from labkit.runs import table as tables
from labkit.runs.comparison import Comparison
from labkit.runs.diff import side
from labkit.runs.one_app import AcrossServers
from labkit.runs.run import Run
from labkit.ui import fired

_BESIDE = Path(__file__).parent

#: The file that is written.
PAGE = "report.html"

#: So many runs are drawn one by one, the first ones.
RUNS_DRAWN = 6

#: Nothing but the page's own style, and the pictures in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def holds_runs(folder: Path) -> bool:
    """Whether there is a run in it, or in a folder in it."""
    return any(folder.glob("run-*.json")) or any(folder.glob("*/run-*.json"))


def write(folder: Path, page: Path | None = None) -> Path:
    """Write the page; where it is.

    Args:
        folder: that of the runs.
        page: where the page goes; None for ``report.html`` in the folder.

    Raises:
        RecordError: there is no run in it, or one is damaged.
        UsageError: the page cannot be written there.
    """
    result = side(folder)
    page = folder / PAGE if page is None else page
    try:
        with whole(page) as half:
            half.write_text(html(result, folder), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{page} cannot be written ({error.strerror}): name a file with --out") from error
    return page


def html(result: Comparison, folder: Path) -> str:
    """The page as text.

    Args:
        result: the runs.
        folder: from which they come.
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
    about = _summary(folder)
    return maker.get_template("runs.html.j2").render(
        heading=_heading(result),
        measured=" to ".join(dict.fromkeys((result.runs[0].conditions.measured, result.runs[-1].conditions.measured))),
        plans=result.plans,
        findings=_findings(result, about),
        table=Markup(_table(result)),
        figures=[Markup(figure) for figure in _figures(result)],
        books=[(run.name, _books(run), run.quality) for run in result.runs],
        expectations=[
            _told(each, "expectation", "strategy", "verdict", "why") for each in _list(about, "expectations")
        ],
        not_known=[each for each in _list(about, "not_known") if isinstance(each, str)],
        machine=dict(result.runs[0].machine),
        settings=_settings(result.runs[0]),
        command=shlex.join(["labkit", "report", str(folder)]),
        policy=_POLICY,
        style=Markup((_BESIDE / "report.css").read_text("utf-8")),
    )


def _summary(folder: Path) -> Mapping[str, Any]:
    """What the command that measured has said, where it is there and can be read."""
    try:
        about = json.loads(record_text(folder / "summary.json"))
    except (RecordError, OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _across(result: Comparison, about: Mapping[str, Any] | None = None) -> AcrossServers | None:
    """The same as an app at several servers, where it is that."""
    if not all(run.conditions.interpreter for run in result.runs):
        return None
    left_out = (about or {}).get("left_out")
    failed = left_out if isinstance(left_out, dict) else {}
    return AcrossServers(result, {str(name): str(reason) for name, reason in failed.items()})


def _heading(result: Comparison) -> str:
    if _across(result):
        return f"{result.runs[0].strategy} under {', '.join(result.strategies)}"
    urls = list(dict.fromkeys(run.conditions.url for run in result.runs if run.conditions.url))
    if urls:
        return f"Fired at {', '.join(urls)}"
    return f"{', '.join(result.strategies)}: {', '.join(dict.fromkeys(run.work for run in result.runs))}"


def _list(about: Mapping[str, Any], key: str) -> list[Any]:
    found = about.get(key)
    return found if isinstance(found, list) else []


def _told(found: Any, *keys: str) -> dict[str, str]:
    """Those entries of an object as text, empty where there are none: anybody may have written the file."""
    values = found if isinstance(found, dict) else {}
    return {key: str(values.get(key) or "") for key in keys}


def _findings(result: Comparison, about: Mapping[str, Any]) -> list[str]:
    """The recommendation, where the command gave one; of an app of the reader's what its clients felt."""
    if across := _across(result, about):
        first = result.runs[0].conditions
        return [*across.sentences, f"Bystander: {fired.bystander(first.bystander, has_gil=across.may_have_gil)}."]
    found = _told(about.get("recommendation"), "text")["text"].splitlines()
    for run in result.runs if len(result.runs) == 1 else ():
        if run.conditions.url:
            (summary,) = result.summaries
            found += [fired.latencies(summary), f"Bystander: {fired.bystander(run.conditions.bystander)}."]
            found.append(fired.connected(run))
    return [each for each in found if each]


def _table(result: Comparison) -> str:
    if not any(run.conditions.url for run in result.runs):
        return result._repr_html_()
    cells = tables.of_summaries(result.summaries, result.notes)
    served = across.table().html() if (across := _across(result)) else ""
    return replace(cells, headers=("server", *cells.headers[1:])).html() + served


def _figures(result: Comparison) -> Iterator[str]:
    """Pictures, as HTML: all runs together; and of an app of the reader's each run over time."""
    from labkit import plots
    from labkit.plots import style

    style.without_display()
    at_url = [run for run in result.runs if run.conditions.url]
    if across := _across(result):
        yield style.embedded(plots.by_server(across), "Own answers and those of a bystander, by server")
    elif len(result.runs) > 1:
        yield style.embedded(plots.overview(result), "Handler-blocking time, own latency and bystander latency")
    if result.kinds:
        yield style.embedded(plots.by_kind(result), "Latency of each kind of event")
    if not at_url:
        yield style.embedded(plots.bystander_strip(result), "What a bystander felt, over time")
    for run in at_url[:RUNS_DRAWN]:
        yield style.embedded(plots.over_time(run), f"{run.name}: the latency of each event over time")


def _books(run: Run) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items() if count)
    return f"{len(run)} events: {counts or 'none'}; {run.unaccounted} unaccounted"


def _settings(run: Run) -> dict[str, str]:
    told = {"mode": run.mode, **run.conditions.options, **run.conditions.parameters, **run.conditions.tuned}
    return {str(name): str(value) for name, value in told.items() if value not in (None, "")}
