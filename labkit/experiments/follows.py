"""What a work does, and what follows from it for threads, greenlets and processes, in words.

Where calls were made at once, the words say what was seen. Where none were (too quick, too long, cannot be pickled),
they say what follows from what the function does when it is alone.
"""

from typing import TYPE_CHECKING

from labkit.experiments import kinds
from labkit.experiments.at_once import GREENLETS, NO_GAIN, PROCESSES, THREADS, AtOnce

if TYPE_CHECKING:
    from labkit.experiments.diagnosis import Diagnosis

#: From so many cores a call uses several at once, by itself.
SEVERAL_CORES = 1.3

#: Who computes while so many cores have nothing to do does not wait for a core.
IDLE = 0.5

#: Of the strategies, the one that has them.
_REAL = "real threads (gevent-hub-pool)"


def sentence(found: "Diagnosis") -> str:
    """What it does, and what follows, in the mode of which it speaks."""
    follows = _under_gevent(found) if found.has_greenlets else _on_threads(found)
    blocks = _blocks(found)
    return f"{found.work} {does(found)}: {follows}{blocks}."


def does(found: "Diagnosis") -> str:
    """What it does when nothing else runs, and whether calls at once wait for each other."""
    return _alone(found) + ("" if not is_one_at_a_time(found) else ", but only one call at a time can")


def _alone(found: "Diagnosis") -> str:
    if found.kind != kinds.HOLDS and found.in_children:
        return f"waits for a child process that computes ({found.children:.0%} of its time)"
    if found.kind != kinds.HOLDS and found.cores_used >= SEVERAL_CORES:
        return f"computes on {found.cores_used:.1f} cores at once by itself"
    if not found.gil:
        return "computes, and this interpreter has no GIL" if found.kind == kinds.RELEASES else _mixture(found)
    if found.kind == kinds.WAITS:
        return f"waits ({found.waiting:.0%} of its time) and holds nothing"
    if found.kind == kinds.RELEASES:
        return "computes and releases the GIL"
    if found.kind == kinds.MIXED:
        return _mixture(found)
    verb = "waits" if found.waiting >= kinds.MOST else "computes"
    if found.in_one_go:
        return f"{verb} in C code that keeps the GIL, {found.hold_ms:.0f} ms in one go"
    return f"{verb} in Python and holds the GIL"


def _mixture(found: "Diagnosis") -> str:
    held = f", holds the GIL for {found.gil_held:.0%}" if found.gil else ""
    at_once = f" ({found.hold_ms:.0f} ms of it in one go, in C code)" if found.in_one_go else ""
    return f"waits for {found.waiting:.0%} of its time, computes for {found.computing:.0%}{held}{at_once}"


def is_one_at_a_time(found: "Diagnosis") -> bool:
    """Whether calls wait for each other though neither the GIL nor a core explains it: for a lock, a device."""
    tried = found.on(GREENLETS) if found.has_greenlets and not found.blocks_hub else found.on(THREADS)
    if tried is None or not (tried.one_at_a_time or tried.kept_waiting) or found.gil_held > kinds.LEAST:
        return False
    # Who computes, or waits for those who do, may have waited for a core, unless one was free, or the system says that
    # no thread was queued for one.
    by_itself = found.children + found.others <= kinds.ELSEWHERE
    return (by_itself and (found.waiting >= kinds.MOST or tried.kept_waiting)) or tried.idle > IDLE


def _on_threads(found: "Diagnosis") -> str:
    if is_one_at_a_time(found):
        return f"threads can't help; {_beyond_a_lock(found)}"
    if found.kind == kinds.HOLDS and found.gil:
        return f"threads can't help, {_processes(found)}"
    return _helps(found, found.on(THREADS), "threads")


def _helps(found: "Diagnosis", tried: AtOnce | None, who: str) -> str:
    """How far they help: as far as was seen, where it was tried."""
    cores = found.cores
    if found.cores_used >= SEVERAL_CORES:
        at_once = cores / found.cores_used
        more = f"{who} help, up to about {at_once:.1f} at once on {cores} cores"
        return f"{who} gain little, since one call uses {_most(found)} {cores} cores" if at_once < NO_GAIN else more
    if found.kind == kinds.WAITS:
        if tried is None:
            return f"{who} help, as many as wait at once; other processes gain nothing"
        if tried.all_at_once:
            seen = f"{tried.calls} at once took no longer than one"
            return f"{who} help, as many as wait at once ({seen}); other processes gain nothing"
        more = "more wait for something that calls share, such as a pool of connections"
        return f"{who} help, up to {tried.width} at once ({tried.calls} were tried): {more}"
    if found.kind == kinds.RELEASES or not found.gil:
        return f"{who} help, up to {cores} at once on {cores} cores"
    if found.gil_held <= kinds.LEAST:
        return f"{who} help, for its waiting at once and for its computing up to the cores"
    beyond = "processes help beyond that" if found.can_go else _processes(found)
    at_once = 1 / found.gil_held if tried is None else min(tried.gain, 1 / found.gil_held)
    return f"{who} help until the GIL is busy, about {max(1.0, at_once):.1f} at once; {beyond}"


def _most(found: "Diagnosis") -> str:
    return f"{found.cores_used:.1f} of the"


def _processes(found: "Diagnosis") -> str:
    """Whether other processes help, where the GIL is in the way."""
    if not found.can_go:
        return f"processes could, but it cannot go to one ({found.why_not})"
    tried = found.on(PROCESSES)
    if tried is not None and tried.failed:
        return f"processes could, but a call in one failed ({tried.failed})"
    if tried is not None and tried.one_at_a_time and tried.idle > IDLE:
        return f"nor can processes: in {tried.calls} of them only one call at a time got on"
    return "processes can"


def _beyond_a_lock(found: "Diagnosis") -> str:
    """Whether what calls wait for is one for each process, as a lock in Python is, or one for all."""
    if not found.can_go:
        return f"other processes were not tried, since it cannot go to one ({found.why_not})"
    tried = found.on(PROCESSES)
    if tried is None or tried.failed:
        return "other processes were not tried" + (f" ({tried.failed})" if tried else "")
    if tried.one_at_a_time:
        return "nor can other processes, which wait for the same thing"
    return "other processes can, each with a lock of its own, if what it guards may be used by several at once"


def _under_gevent(found: "Diagnosis") -> str:
    if found.kind == kinds.HOLDS and found.gil:
        return f"neither greenlets nor real threads can help, {_processes(found)}"
    greenlets, real = found.on(GREENLETS), found.on(THREADS)
    if greenlets is not None and not found.blocks_hub:
        if is_one_at_a_time(found):
            return f"greenlets can't help; {_beyond_a_lock(found)}"
        return _helps(found, greenlets, "greenlets (and threads, which are greenlets here)")
    why = "it blocks gevent's hub, and threads are greenlets here, which can't help"
    if is_one_at_a_time(found):
        return f"{why}; {_REAL} can't help its callers either, but keep the hub free; {_beyond_a_lock(found)}"
    return f"{why}; {_helps(found, real, _REAL)}"


def _blocks(found: "Diagnosis") -> str:
    """What a handler that calls it directly does to everybody, where all handlers share one thread."""
    if found.has_loop:
        return "; an async handler that calls it directly blocks the event loop, so await asyncio.to_thread"
    return ""
