"""What each peer reports of itself, brought to one form. Pure: text in, figures out."""

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.metrics import Distribution

PERCENTILES = (95.0, 99.0, 99.9)

#: The event that all of them send.
MESSAGE = "message"


@dataclass(frozen=True)
class Report:
    """Attributes:
    acks: how many acknowledged events the peer counts.
    percentiles_ms: p95, p99, p99.9 as it reports them; NaN where it reports none.
    """

    acks: int
    percentiles_ms: tuple[float, ...] = (math.nan,) * len(PERCENTILES)


def ours(text: str) -> Report:
    """Of a script in `clients`: the last line is one JSON object with `acks`, and latencies or percentiles."""
    found = json.loads(text.strip().splitlines()[-1])
    if "percentiles_ms" in found:
        return Report(found["acks"], tuple(found["percentiles_ms"]))
    distribution = Distribution.of(np.array(found.get("latencies_ms", []), float))
    return Report(found["acks"], tuple(distribution.percentile(p) for p in PERCENTILES))


def locust(text: str, name: str = "message") -> Report:
    """Of Locust's `--csv` file of statistics: the row of its calls (``WSC``). Raises ValueError without one."""
    for row in csv.DictReader(io.StringIO(text)):
        if row["Type"] == "WSC" and row["Name"] == name:
            failed = int(row["Failure Count"])
            return Report(
                int(row["Request Count"]) - failed,
                tuple(_number(row[f"{percentile:g}%"]) for percentile in PERCENTILES),
            )
    raise ValueError(f"Locust's statistics have no row of calls of {name}")


def artillery(text: str) -> Report:
    """Of Artillery's `--output` file. Raises ValueError where no response was timed."""
    aggregate: Mapping[str, Any] = json.loads(text)["aggregate"]
    summary = aggregate.get("summaries", {}).get("socketio.response_time")
    if summary is None:
        raise ValueError(f"Artillery timed no response; its counters: {aggregate.get('counters')}")
    return Report(int(summary["count"]), (summary["p95"], summary["p99"], summary["p999"]))


def _number(text: str) -> float:
    return math.nan if text in ("", "N/A") else float(text)
