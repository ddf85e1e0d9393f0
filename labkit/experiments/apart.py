"""Calls in processes of their own: never forked, ended when whoever asked has ended, with nothing left behind.

They are not loky's, as those of the strategy ``process-pool`` are, since a pool leaves a helper running until the
process that had it ends, and a diagnosis is over in a moment. What can be called is the same: both use cloudpickle.
"""

import contextlib
import sys
from collections.abc import Sequence
from statistics import mean
from typing import Any

from labkit.base import clock
from labkit.base.errors import LabError, WorkloadError
from labkit.base.processes import OrderedProcess, Pipes
from labkit.experiments.at_once import Function, Span, call

#: Calls begin so long after they were ordered, all at one instant.
LEAD_S = 0.05

#: They began at one instant, if not further apart than this share of a call.
TOGETHER = 0.3


class CallingProcess(OrderedProcess):
    """A process that calls one function.

    Args:
        name: of the work, for what is said when it fails.
    """

    def __init__(self, name: str) -> None:
        super().__init__("from labkit.experiments.apart import main; main()")
        self._name = name

    def ended(self, last_words: str) -> LabError:
        """The error to raise where it has ended."""
        return WorkloadError(f"{self._name} gave no result in another process: {last_words}")


def in_processes(
    function: Function, payloads: Sequence[Sequence[Any]], limit_s: float, name: str
) -> tuple[list[Span], bool]:
    """Calls in processes of their own, all at the same instant; and whether it was one instant.

    Args:
        function: one that cloudpickle can send.
        payloads: of each process those of its calls, one after the other; only the last of them counts, since the first
            may warm something up.
        limit_s: of all of it.
        name: of the work.

    Raises:
        WorkloadError: they have not returned by then, or ended.
    """
    import cloudpickle

    sent = cloudpickle.dumps(function)
    late = WorkloadError(f"{name} did not return within {limit_s:g} s in another process")
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(CallingProcess(name)) for _ in payloads]
        for process in processes:
            stack.enter_context(process.time_limit(limit_s, late))
        for process, each in zip(processes, payloads, strict=True):
            process.send("prepare", sys.path, sent, list(each[:-1]))
        for process in processes:
            process.receive()
        at_ns = clock.now_ns() + round(LEAD_S * clock.NS_PER_S)
        for process, each in zip(processes, payloads, strict=True):
            process.send("call", each[-1], at_ns)
        spans: list[Span] = [process.receive() for process in processes]
    starts_ns = [span.start_ns for span in spans]
    return spans, max(starts_ns) - min(starts_ns) <= TOGETHER * mean(span.end_ns - span.start_ns for span in spans)


def main() -> None:
    """What such a process runs: orders, until its parent has none any more."""
    pipes = Pipes()
    function: Function | None = None
    with contextlib.suppress(EOFError):
        while True:
            name, arguments = pipes.take()
            try:
                if name == "prepare":
                    function = _prepared(*arguments)
                    pipes.answer(None)
                else:
                    payload, at_ns = arguments
                    clock.sleep(max(0.0, (at_ns - clock.now_ns()) / clock.NS_PER_S))
                    assert function is not None
                    pipes.answer(call(function, payload))
            except Exception as error:  # noqa: BLE001 (the parent says it)
                words = f"{type(error).__name__}: {error}"
                pipes.answer(WorkloadError(f"it could not be called in another process ({words})"))


def _prepared(path: list[str], sent: bytes, payloads: list[Any]) -> Function:
    import cloudpickle

    sys.path[:] = path
    function: Function = cloudpickle.loads(sent)
    for payload in payloads:
        function({"id": 0, "payload": payload})
    return function
