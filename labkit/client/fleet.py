"""Several client processes that fire one plan: each sends for its share of the connections, and their records merge.

One process drives some hundred sockets and some thousand events per second; what a plan needs beyond that is spread.
All stamps come from the machine's one clock (:mod:`labkit.base.clock`), so to merge them is to sort them.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labkit.base import interrupts
from labkit.base.clock import now_ns
from labkit.base.errors import UsageError
from labkit.client import inbox
from labkit.client.firing import Job
from labkit.client.process import ClientProcess
from labkit.plan.exchange import USUAL, Exchange
from labkit.plan.visit import AT_ONCE, Visit
from labkit.runs import heartbeats
from labkit.runs.conditions import OUTSIDE
from labkit.runs.fired import Fired

Int64 = NDArray[np.int64]


class ClientFleet:
    """Several client processes, to be given to ``measure(client=...)``; they end with the ``with`` block.

    Sender k belongs to process k modulo `processes`; the bystander and the listeners belong to the first.

    Args:
        processes: how many.

    Raises:
        UsageError: that is less than 1.
    """

    place = OUTSIDE

    def __init__(self, processes: int = 2) -> None:
        if processes < 1:
            raise UsageError(f"a fleet has 1 process or more, not {processes}")
        self.processes = [ClientProcess() for _ in range(processes)]
        self._senders = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that run."""
        return tuple(pid for process in self.processes for pid in process.pids)

    def open(
        self,
        url: str,
        senders: int,
        bystander: bool = True,
        listener: bool = True,
        timeout_s: float = 10,
        exchange: Exchange = USUAL,
        visit: Visit = AT_ONCE,
    ) -> None:
        """Connect everybody."""
        self._senders = senders
        count = len(self.processes)
        of_each = [exchange, *[dataclasses.replace(exchange, listeners=0)] * (count - 1)]
        self._each(
            "open",
            [
                (
                    url,
                    len(range(k, senders, count)),
                    bystander and k == 0,
                    listener and k == 0,
                    timeout_s,
                    of_each[k],
                    dataclasses.replace(visit, share=(k, count)),
                )
                for k in range(count)
            ],
        )

    def arrivals(self) -> list[tuple[int, int, int, int, int]]:
        """When each connection came: the senders' in their order, then the others'."""
        parts = self._each("arrivals", [()] * len(self.processes))
        count = len(parts)
        senders = [parts[k % count][k // count] for k in range(self._senders)]
        return [*senders, *parts[0][len(range(0, self._senders, count)) :]]

    def warm(self, payloads: list[Any], timeout_s: float) -> int:
        """Warm up; how many events were answered."""
        count = len(self.processes)
        return sum(self._each("warm", [(payloads[k::count], timeout_s) for k in range(count)]))

    def seen_answers(self) -> frozenset[str]:
        """How the events of the last warm-up were answered, those of any process."""
        return frozenset[str]().union(*self._each("seen_answers", [()] * len(self.processes)))

    def fire(self, job: Job) -> Fired:
        """Fire the plan: all encode their part, then all start at one instant."""
        self._prepare(job)
        fired = self._each("start", [(now_ns() + job.lead_ns,)] * len(self.processes))
        return merge(fired, job.connection, self._senders)

    def fire_watched(self, job: Job, tick: Callable[[], object]) -> tuple[Fired, KeyboardInterrupt | None]:
        """Fire the plan; see :meth:`labkit.client.process.ClientProcess.fire_watched`."""
        self._prepare(job)
        interrupt: KeyboardInterrupt | None = None
        try:
            self._send_each("start", [(now_ns() + job.lead_ns,)] * len(self.processes))
            try:
                for process in self.processes:
                    process.wait(tick)
            except KeyboardInterrupt as error:
                interrupts.heard()
                interrupt = error
                for process in self.processes:
                    process.send("cut")
            fired, errors = self._answers()
        except BaseException:
            self._kill()
            raise
        if errors:
            raise errors[0]
        return merge(fired, job.connection, self._senders), interrupt

    def _prepare(self, job: Job) -> None:
        count = len(self.processes)
        parts = [dataclasses.replace(job, share=(k, count)) for k in range(count)]
        parts[1:] = [dataclasses.replace(part, ping_ns=job.ping_ns[:0], watch_pid=None) for part in parts[1:]]
        self._each("prepare", [(part,) for part in parts])

    def spin_beside(self, turns: int) -> float | None:
        """Compute for `turns` turns in the first process and here at once; how many ms of wall time the slower took."""
        return self.processes[0].spin_beside(turns)

    def close(self) -> None:
        """Disconnect everybody; the processes go on."""
        for process in self.processes:
            process.close()

    def _each(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Give every process the order with its own arguments; wait for all answers, also where one is an error."""
        try:
            self._send_each(name, arguments)
            answers, errors = self._answers()
        except BaseException:
            self._kill()
            raise
        if errors:
            raise errors[0]
        return answers

    def _send_each(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        for process, own in zip(self.processes, arguments, strict=True):
            process.send(name, *own)

    def _answers(self) -> tuple[list[Any], list[Exception]]:
        """Of all processes, to the order before: what they answered, and what they raised."""
        answers: list[Any] = []
        errors: list[Exception] = []
        for process in self.processes:
            try:
                answers.append(process.receive())
            except Exception as error:  # noqa: BLE001 (raised by who asked)
                errors.append(error)
        return answers, errors

    def _kill(self) -> None:
        """An answer left behind would be taken for the next order's."""
        for process in self.processes:
            process.kill()

    def __enter__(self) -> Self:
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self.processes:
            process.kill()


#: The name that each column of an :class:`~labkit.client.inbox.Inbox` has in a :class:`~labkit.runs.fired.Fired`.
_FIELDS = {name: f"delivery_{name}" for name in ("event", "connection", "status")} | {
    "at": "delivery_ns",
    "work_start": "work_start_ns",
    "work_end": "work_end_ns",
    "work_cpu": "work_cpu_ns",
}


def merge(parts: list[Fired], connection: Int64, senders: int) -> Fired:
    """One record of what several processes fired together.

    Args:
        parts: in the order of the processes.
        connection: of the plan: which sender each event went out on.
        senders: how many there are in all.
    """
    count = len(parts)
    first = parts[0]
    rows: dict[str, list[Int64]] = {name: [] for name in inbox.COLUMNS}
    messages: dict[int, str] = {}
    closed_ns = np.zeros(senders + len(first.closed_ns) - len(range(0, senders, count)), np.int64)
    closings = [""] * len(closed_ns)
    begin = 0
    for k, part in enumerate(parts):
        own = len(range(k, senders, count))
        # Numbers of this process' connections in the whole: its senders, and for the first the others behind them.
        numbers = np.concatenate([np.arange(k, senders, count), np.arange(len(part.closed_ns) - own) + senders])
        closed_ns[numbers] = part.closed_ns
        for number, closing in zip(numbers.tolist(), part.closings, strict=False):
            closings[number] = closing
        messages |= {begin + place: message for place, message in part.messages.items()}
        begin += len(part.delivery_ns)
        for name, column in _deliveries(part).items():
            rows[name].append(numbers[column] if name == "connection" else column)
    columns, messages = inbox.in_order({name: np.concatenate(column) for name, column in rows.items()}, messages)
    delivered: dict[str, Any] = {_FIELDS[name]: column for name, column in columns.items()}
    return dataclasses.replace(
        first,
        end_ns=max(part.end_ns for part in parts),
        sent_ns=np.choose(connection % count, [part.sent_ns for part in parts]),
        acked_ns=np.choose(connection % count, [p.acked_ns for p in parts]) if len(first.acked_ns) else first.acked_ns,
        closed_ns=closed_ns,
        messages=messages,
        cpu_ns=sum(part.cpu_ns for part in parts),
        collections=sum(part.collections for part in parts),
        cut_ns=max(part.cut_ns for part in parts),
        rounded=sum(part.rounded for part in parts),
        closings=tuple(closings) if first.closings else (),
        heartbeats=heartbeats.merged([part.heartbeats for part in parts]),
        **delivered,
    )


def _deliveries(part: Fired) -> dict[str, Int64]:
    return {name: getattr(part, field) for name, field in _FIELDS.items()}
