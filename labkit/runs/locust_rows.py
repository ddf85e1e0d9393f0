"""Rows that Locust's workers left, an event each, read as a run.

A worker's first line says what was asked, and how its clock goes together with the wall clock: rows of several machines
are put in order by the latter. Latencies are differences on one worker's own clock, whatever the wall clocks say.

What rows don't know is not in the run: the server's stages, a bystander, duplicates and late answers, the client's CPU.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import clock
from labkit.base.clock import NS_PER_S
from labkit.base.errors import ConnectFailed, LabError, RecordError
from labkit.base.files import limited_text
from labkit.base.text import one_line
from labkit.plan import address
from labkit.plan.exchange import Exchange
from labkit.plan.modes import NOT_KNOWN
from labkit.plan.schedules import Schedule
from labkit.runs import close, environment
from labkit.runs.close import Int64
from labkit.runs.conditions import NO_BYSTANDER, Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.runs.stages import SERVER_COLUMNS, Outcome

#: Of a file of rows.
MOST_BYTES = 500 * 2**20

_DAMAGED = (AttributeError, KeyError, LookupError, OSError, RecursionError, TypeError, ValueError, OverflowError)


def read(folder: str | Path, exchange: Exchange) -> Run:
    """The run that a folder's rows are. One that was stopped early ends with the first event that was still under way.

    Args:
        folder: where the files ``rows-*.jsonl`` are, one of each worker.
        exchange: how events were asked and answered.

    Raises:
        RecordError: there are none, or one is damaged.
        ConnectFailed: nobody was let in, so there is no event.
    """
    files = sorted(Path(folder).glob("rows-*.jsonl"))
    if not files:
        raise RecordError(
            f"there are no rows in {folder}: set LABKIT_ROWS to a folder for each worker, and collect them"
        )
    asked: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    refusals: list[str] = []
    cuts_ns: list[int] = []
    for number, file in enumerate(files):
        try:
            first, *others = limited_text(file, MOST_BYTES).splitlines()
            began = json.loads(first)
            to_wall_ns = int(began["wall_ns"]) - int(began["clock_ns"])
            asked = asked or dict(began["plan"])
            refusals += map(str, began["refusals"])
            if began.get("cut_ns") is not None:
                cuts_ns.append(int(began["cut_ns"]) + to_wall_ns)
            rows += [_row(json.loads(line), number, to_wall_ns) for line in others]
        except _DAMAGED as error:
            raise RecordError(f"{file.name} is damaged ({type(error).__name__}): have Locust write it again") from None
    # What was known of later events would be of the fast ones alone.
    rows = [row for row in rows if not cuts_ns or row["intended_ns"] < min(cuts_ns)]
    if not rows:
        why = one_line(refusals[0]) if refusals else "no event was due"
        raise ConnectFailed(f"Locust sent nothing ({why}): look whether the server runs, and lets its clients in")
    try:
        return _run(rows, asked, refusals, exchange, bool(cuts_ns))
    except (*_DAMAGED, LabError) as error:
        raise RecordError(f"the rows in {folder} are damaged ({error}): have Locust write them again") from None


def _row(told: dict[str, Any], file: int, to_wall_ns: int) -> dict[str, Any]:
    """One event on the wall clock; 0 for what did not happen."""
    found: dict[str, Any] = {"client": (file, int(told["client"])), "problem": str(told.get("problem", ""))}
    for name in ("intended_ns", "sent_ns", "answered_ns"):
        stamp = told.get(name)
        found[name] = 0 if stamp is None else int(stamp) + to_wall_ns
    return found


def _run(
    rows: Sequence[dict[str, Any]],
    asked: dict[str, Any],
    refusals: Sequence[str],
    exchange: Exchange,
    is_cut_short: bool,
) -> Run:
    rows = sorted(rows, key=lambda row: int(row["intended_ns"]))
    clients = {client: number for number, client in enumerate(dict.fromkeys(row["client"] for row in rows))}
    intended, sent, answered = (
        np.array([row[name] for row in rows], np.int64) for name in ("intended_ns", "sent_ns", "answered_ns")
    )
    start_ns, timeout_s = int(intended[0]), float(asked["timeout_s"])
    connection = np.array([clients[row["client"]] for row in rows], np.int64)
    name = f"{float(asked['rate_hz']):g}/s for {float(asked['seconds']):g} s, Poisson, by Locust,"
    plan = Schedule(name, intended - start_ns, connection, len(clients), int(asked["seed"]))
    # All that has no answer has waited for it as long as it may.
    end_ns = max(int(answered.max()), int(intended[-1]) + round(timeout_s * NS_PER_S))
    closed, closings = _closed(rows, connection, len(clients), end_ns)
    fired = _fired(start_ns, end_ns, sent, answered, connection, closed)
    whose = address.parsed(str(asked["url"]))
    return close.close(
        fired,
        dict.fromkeys(SERVER_COLUMNS, np.zeros(len(plan), np.int64)),
        strategy=whose.name,
        work=exchange.event,
        mode=NOT_KNOWN,
        plan=plan,
        ping_ns=np.zeros(0, np.int64),
        timeout_s=timeout_s,
        service_ms=[None] * len(plan),
        machine=environment.describe(),
        conditions=Conditions(
            measured=clock.utc_stamp(),
            start_ns=start_ns,
            stock=True,
            instrumented=False,
            client_cpu_s=None,
            duration_s=(end_ns - start_ns) / NS_PER_S,
            clock_resolution_s=clock.resolution_s(),
            exchange=exchange.to_dict(),
            url=whose.url,
            bystander=NO_BYSTANDER,
            closed_senders=int(np.count_nonzero(closed)) + len(refusals),
            closings=(*closings, *dict.fromkeys(f"not let in: {one_line(each)}" for each in refusals)),
            is_cut_short=is_cut_short,
        ),
    )


def _fired(start_ns: int, end_ns: int, sent: Int64, answered: Int64, connection: Int64, closed: Int64) -> Fired:
    """As labkit's own client keeps it; what rows do not tell is missing."""
    came = np.flatnonzero(answered)
    missing = np.zeros(len(came), np.int64)
    return Fired(
        start_ns=start_ns,
        end_ns=end_ns,
        sent_ns=sent,
        delivery_event=came,
        delivery_connection=connection[came],
        delivery_ns=answered[came],
        delivery_status=np.full(len(came), Outcome.ANSWERED, np.int64),
        work_start_ns=missing,
        work_end_ns=missing,
        work_cpu_ns=missing,
        messages={},
        ping_sent_ns=np.zeros(0, np.int64),
        ping_acked_ns=np.zeros(0, np.int64),
        closed_ns=closed,
        samples=np.zeros((0, 4), np.int64),
        cpu_ns=0,
        collections=0,
    )


def _closed(rows: Sequence[dict[str, Any]], connection: Any, clients: int, end_ns: int) -> tuple[Any, tuple[str, ...]]:
    """When each connection was known to be closed: its first event that was lost for it; and what was said of it."""
    closed = np.zeros(clients, np.int64)
    said: dict[str, None] = {}
    for row, number in zip(rows, connection, strict=True):
        is_lost = row["problem"] and not row["problem"].startswith("NoAnswer")
        if is_lost and not row["answered_ns"] and not closed[number]:
            closed[number] = min(max(row["sent_ns"], row["intended_ns"]), end_ns)
            said[row["problem"]] = None
    return closed, tuple(said)
