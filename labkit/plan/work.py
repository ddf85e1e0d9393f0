"""Work of known kind and cost, and the wrapper in which a strategy meets it.

A workload is a callable with one argument, the event's payload, that returns what JSON can carry. The kinds:

``io_wait``    waits and holds nothing (a database, another service)
``cpu``        computes in pure Python and holds the GIL
``cpu_nogil``  computes in C code that releases the GIL (hashing, compression, much of numpy)
``prices``     the example job on real data: pure Python, holds the GIL
``call``       a function of the reader's
``mix``        events of several kinds, each with work of its own (:mod:`labkit.plan.mix`)

`cpu` and `cpu_nogil` do a fixed amount of work, found once by thread CPU time: a loop that spins until a clock says
stop would do *less* work the more it is disturbed, and so hide what is measured.

A kind of the reader's is a function from milliseconds to :class:`Work`, put into :data:`KINDS` under its name.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.base import clock
from labkit.base.errors import NotPicklable, WorkloadError
from labkit.base.text import told
from labkit.plan import prices, wire
from labkit.plan.place import Place


@dataclass(frozen=True)
class Work:
    """What an event costs the server: a function, the payloads that it is given, and a name for both.

    Attributes:
        name: as typed on the command line, such as ``cpu:100ms``.
        kind: one of ``io_wait``, ``cpu``, ``cpu_nogil``, ``prices``, ``call``, ``mix``.
        function: payload -> result.
        make_payloads: (count, seed) -> that many payloads, the same for the same seed.
        echoes: the result is the payload, so that expected answers cost nothing.
        ms: the time asked for; None where the cost is the function's own.
        place: the process in which the function was imported; None where it is this one.
    """

    name: str
    kind: str
    function: Callable[[Any], Any]
    make_payloads: Callable[[int, int], Sequence[Any]]
    echoes: bool = False
    ms: float | None = None
    place: Place | None = None

    def __repr__(self) -> str:
        return f"<Work {self.name}>"


@dataclass(frozen=True)
class Calculation:
    """`complex_calculation` as a strategy receives it: never raises, and its answer says what happened to it.

    The answer to ``{"id": 7, "payload": ...}`` is ``{"id": 7, "result": ...}`` or ``{"id": 7, "error": "..."}``, each
    with the work's own stamps: ``start_ns``, ``end_ns`` and ``cpu_ns`` (thread CPU time), so that a pool or another
    process needs no channel back.

    Attributes:
        function: what is called with the payload.
        elsewhere: it runs on another machine, whose clock is another: its answers carry no stamps.
    """

    function: Callable[[Any], Any]
    elsewhere: bool = False

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        cpu_ns = clock.thread_cpu_ns()
        start_ns = clock.now_ns()
        try:
            outcome = {"result": self.function(data["payload"])}
        except Exception as error:  # noqa: BLE001 (it is the answer)
            outcome = {"error": told(error)}
        end_ns = clock.now_ns()
        cpu_ns = clock.thread_cpu_ns() - cpu_ns
        try:
            # NaN passes here as it passes in the reader's app; what a page makes of it, the client sees.
            wire.require(outcome)
        except (TypeError, ValueError, RecursionError) as error:
            # Emitting it would raise in whatever thread the strategy answers from, and the answer would be lost.
            outcome = {"error": f"the result cannot be sent as JSON: {error}"}
        stamps = {} if self.elsewhere else {"start_ns": start_ns, "end_ns": end_ns, "cpu_ns": cpu_ns}
        return {"id": data["id"], **outcome, **stamps}


def _numbers(count: int, seed: int) -> Sequence[int]:
    return range(count)


@dataclass(frozen=True)
class _Wait:
    seconds: float

    def __call__(self, payload: Any) -> Any:
        clock.sleep(self.seconds)
        return payload


@dataclass(frozen=True)
class _Loop:
    turns: int

    def __call__(self, payload: Any) -> Any:
        x = 1
        for _ in range(self.turns):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        return payload


@dataclass(frozen=True)
class _Hash:
    turns: int

    def __call__(self, payload: Any) -> Any:
        # One call, so one release of the GIL for the whole of it.
        hashlib.pbkdf2_hmac("sha256", b"labkit", b"salt", self.turns)
        return payload


@functools.cache
def _turns_per_ms(kind: type[_Loop] | type[_Hash]) -> float:
    """Turns of the loop that cost one ms of thread CPU time: the fastest of nine, since noise only adds."""
    turns = 100_000 if kind is _Loop else 4_000  # about 4 ms
    best = 0.0
    for _ in range(9):
        before = clock.thread_cpu_ns()
        kind(turns)(None)
        best = max(best, turns / (clock.thread_cpu_ns() - before))
    return best * clock.NS_PER_MS


def calibration_turns(ms: float = 25.0) -> tuple[int, float]:
    """(turns, ms): so many turns of the loop take so long on a core that is free."""
    return round(ms * _turns_per_ms(_Loop)), ms


def spin(turns: int) -> float:
    """Compute for `turns` turns; how many ms of wall time that took."""
    before_ns = clock.now_ns()
    _Loop(turns)(None)
    return (clock.now_ns() - before_ns) / clock.NS_PER_MS


def _positive(ms: float) -> float:
    if not (0 < ms < 3_600_000):
        raise WorkloadError(f"a workload takes more than 0 ms and less than an hour, not {ms!r} ms")
    return float(ms)


def io_wait(ms: float) -> Work:
    """Work that waits `ms` and holds neither a core nor the GIL."""
    ms = _positive(ms)
    return Work(f"io_wait:{ms:g}ms", "io_wait", _Wait(ms / 1000), _numbers, echoes=True, ms=ms)


def cpu(ms: float) -> Work:
    """Work that computes for `ms` of thread CPU time in pure Python and so holds the GIL."""
    ms = _positive(ms)
    turns = max(1, round(ms * _turns_per_ms(_Loop)))
    return Work(f"cpu:{ms:g}ms", "cpu", _Loop(turns), _numbers, echoes=True, ms=ms)


def cpu_nogil(ms: float) -> Work:
    """Work that computes for `ms` of thread CPU time in C code that releases the GIL (OpenSSL's PBKDF2)."""
    ms = _positive(ms)
    turns = max(1, round(ms * _turns_per_ms(_Hash)))
    return Work(f"cpu_nogil:{ms:g}ms", "cpu_nogil", _Hash(turns), _numbers, echoes=True, ms=ms)


#: The kinds that are asked for by name and time, as in ``cpu:100ms``: from milliseconds to the work.
KINDS: dict[str, Callable[[float], Work]] = {"io_wait": io_wait, "cpu": cpu, "cpu_nogil": cpu_nogil}


def similar_prices(twin: str = "python", *, past: int | None = None) -> Work:
    """The example job: an event carries one day of the GOOG prices; when did they last move like this?

    Args:
        twin: ``python`` (holds the GIL) or ``numpy`` (the same answer, much of it outside of the GIL).
        past: how many trading days are looked at, 50 or more, for a job that costs less; None for the whole history.
    """
    functions = {"python": prices.most_similar, "numpy": prices.most_similar_numpy}
    if twin not in functions:
        raise WorkloadError(f"the example job is there in 'python' and in 'numpy', not in {twin!r}")
    if past is not None and past < 2 * prices.DAYS:
        raise WorkloadError(f"the example job looks at {2 * prices.DAYS} days or more, not at {past}")
    name = "prices" + (":numpy" if twin == "numpy" else "") + (f":{past}days" if past is not None else "")
    function = functions[twin] if past is None else functools.partial(functions[twin], past=past)
    return Work(name, "prices", function, prices.payloads)


@dataclass(frozen=True)
class _WithoutArgument:
    function: Callable[[], Any]

    def __call__(self, payload: Any) -> Any:
        return self.function()


@dataclass(frozen=True, eq=False)
class _Given:
    values: tuple[Any, ...]

    def __call__(self, count: int, seed: int) -> Sequence[Any]:
        return [self.values[i % len(self.values)] for i in range(count)]


def call(function: Callable[..., Any], payloads: Sequence[Any] | None = None) -> Work:
    """A function of the reader's.

    Args:
        function: takes the payload, or nothing; returns what JSON can carry.
        payloads: what the events carry, in turn; the event's number where none are given.

    Raises:
        WorkloadError: it is no function, wants more than one argument, is asynchronous, or a payload is not JSON.
    """
    if not callable(function):
        raise WorkloadError(f"a workload is a function, not {function!r}")
    name = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        raise WorkloadError(
            f"{name} is asynchronous, and handlers of async_mode='threading' are not: wrap it in a plain "
            "function that calls asyncio.run"
        )
    if payloads is not None:
        if not payloads:
            raise WorkloadError("payloads is empty: give at least one, or leave it out")
        try:
            wire.require(list(payloads), allow_nan=False)  # a page cannot send NaN
        except (TypeError, ValueError) as error:
            raise WorkloadError(
                f"a payload cannot be sent as JSON ({error}): give dicts, lists, strings, numbers, bytes"
            ) from None
    work = _WithoutArgument(function) if _takes_nothing(function, name) else function
    return Work(name, "call", work, _numbers if payloads is None else _Given(tuple(payloads)))


def _takes_nothing(function: Callable[..., Any], name: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-ins have none to show
        return False
    try:
        signature.bind(None)
    except TypeError:
        try:
            signature.bind()
        except TypeError:
            raise WorkloadError(
                f"{name}{signature} must be callable with one argument, the payload, or with none: "
                "wrap it in a function that is"
            ) from None
        return True
    return False


def require_picklable(work: Work) -> None:
    """Raise `NotPicklable` now if the work cannot be sent to another process.

    By cloudpickle, as loky does, so that a function of a notebook cell passes.
    """
    import cloudpickle

    if work.place is not None:
        return work.place.run(require_picklable, work)
    try:
        cloudpickle.loads(cloudpickle.dumps(Calculation(work.function)))
    except Exception as error:
        raise NotPicklable(
            f"{work.name} cannot be sent to another process ({error}): open files, locks and connections "
            "inside the function, not outside of it, or leave out strategies that use processes"
        ) from error
