"""The command ``labkit trace``."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from labkit.browser.trace.reader import Trace


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="The page, where several were recorded.  [default: the recorded, busiest]")
@click.option("--figure", type=click.Path(path_type=Path), help="Draw the pipeline and the worst long task there.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the report.")
def trace(file: Path, url: str | None, figure: Path | None, json_: bool) -> None:
    """Say what a recording of Chrome's shows: long tasks, what was in them, forced layouts, INP.

    FILE is a trace that labkit kept, or one saved in DevTools' Performance panel, .json or .json.gz.

    Exit code: 0 read, 1 it is not a trace or has no page in it, 2 wrong usage.
    """
    from labkit.browser.trace import reader

    found = reader.read(file, url=url)
    if figure is not None:
        _draw(found, figure)
    click.echo(_as_json(found) if json_ else found.report())


def _draw(found: "Trace", path: Path) -> None:
    from labkit.plots import style
    from labkit.plots.trace import pipeline

    style.save(lambda: pipeline(found), path)


def _as_json(found: "Trace") -> str:
    """All attributes by name, `inp_ms` besides; the spans of long tasks are for the figure only."""

    def plain(record: Any, without: str = "") -> dict[str, Any]:
        return {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != without}

    tasks = [plain(t, "spans") | {"scripts": [plain(s) for s in t.scripts]} for t in found.long_tasks]
    nested = {"long_tasks": tasks, "interactions": [plain(i) for i in found.interactions]}
    return json.dumps(plain(found) | nested | {"inp_ms": found.inp_ms}, indent=2, allow_nan=False)
