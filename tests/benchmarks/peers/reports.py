"""What each peer reports of itself, brought to one form. Pure: text in, figures out."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.runs.summary import Distribution

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


def locust(text: str, name: str = MESSAGE) -> Report:
    """Of the summary that Locust prints at its end: the rows of its calls (``WSC``). Raises ValueError without them.

    Not of its `--csv` file, whose last state is up to a second older than the end.
    """
    counts, _, percentiles = text.partition("Response time percentiles")
    titles = next((line.split() for line in percentiles.splitlines() if line.startswith("Type")), [])
    count, latencies = (
        next((line.split() for line in part.splitlines() if line.split()[:2] == ["WSC", name]), None)
        for part in (counts, percentiles)
    )
    if count is None or latencies is None:
        raise ValueError(f"Locust's summary has no row of calls of {name}")
    failed = int(count[3].partition("(")[0])
    return Report(int(count[2]) - failed, tuple(float(latencies[titles.index(f"{p:g}%")]) for p in PERCENTILES))


def artillery(text: str) -> Report:
    """Of Artillery's `--output` file. Raises ValueError where no response was timed."""
    aggregate: Mapping[str, Any] = json.loads(text)["aggregate"]
    summary = aggregate.get("summaries", {}).get("socketio.response_time")
    if summary is None:
        raise ValueError(f"Artillery timed no response; its counters: {aggregate.get('counters')}")
    return Report(int(summary["count"]), (summary["p95"], summary["p99"], summary["p999"]))
