"""How many of several calls got on at the same time: by rule, and on real threads, greenlets and locks."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import WorkloadError
from labkit.experiments.at_once import Span, judged, on_threads
from labkit.plan.work import Calculation


def span(end_ms, start_ms=0.0, *, cpu_ms=0.0, queued_ms=0.0, waited_ms=0.0, **answer):
    times = {name: round(ms * NS_PER_MS) for name, ms in (("start_ns", start_ms), ("end_ns", end_ms))}
    queued_ns, waited_ns = (round(ms * NS_PER_MS) for ms in (queued_ms, waited_ms))
    return Span({**times, "cpu_ns": round(cpu_ms * NS_PER_MS), **answer}, queued_ns, waited_ns=waited_ns)


def found(*spans, alone_ms=10.0, **more):
    return judged("threads", spans, [alone_ms] * len(spans), **more)


def test_calls_that_end_together_got_on_together():
    shot = found(*[span(10 + number / 10) for number in range(8)])
    assert (shot.width, shot.all_at_once, shot.one_at_a_time) == (8, True, False)
    assert shot.gain == pytest.approx(80 / 10.7)


def test_calls_that_end_one_after_the_other_waited_for_each_other():
    shot = found(*[span(10 * (number + 1), 0) for number in range(8)])
    assert (shot.width, shot.all_at_once, shot.one_at_a_time) == (1, False, True)
    assert shot.gain == pytest.approx(1)


def test_a_pool_of_three_lets_three_on_at_a_time():
    assert found(*[span(10 * (number // 3 + 1)) for number in range(8)]).width == 3


def test_a_call_that_began_late_counts_from_the_first_of_all():
    # So it is with greenlets of a hub that stands still: each is stamped when its turn comes.
    assert found(span(10), span(20, 10), span(30, 20)).width == 1


def test_a_queue_for_a_core_is_no_lock():
    assert found(span(10), span(20, queued_ms=10)).width == 2
    # Nor are calls that took more CPU time than alone, since another program had a share of the core.
    assert found(span(20, cpu_ms=20), span(20, cpu_ms=20), cpu_ms=10).width == 2
    assert found(span(20, cpu_ms=20), span(20, cpu_ms=20)).width == 1


def test_who_gains_nothing_and_is_in_no_queue_for_a_core_is_kept_waiting():
    # The second had to wait for a core first, and then for the lock: counted by what it took, it got on with the first.
    assert found(span(10), span(20, queued_ms=4, waited_ms=6), span(30, waited_ms=20)).kept_waiting
    assert not found(span(10), span(20, queued_ms=6, waited_ms=4), span(30, queued_ms=20)).kept_waiting
    assert not found(span(10), span(11, waited_ms=1), span(12, waited_ms=2)).kept_waiting  # all of them got on
    assert not found(span(10), span(20)).kept_waiting  # of a system that does not say


def test_who_took_long_without_waiting_for_the_last_is_not_one_at_a_time():
    assert not found(*[span(25) for _ in range(8)]).one_at_a_time  # a stall of all is no lock


def test_a_failed_call_is_told():
    shot = found(span(1), span(2, error="ValueError: no"))
    assert shot.failed == "ValueError: no"
    assert not shot.all_at_once
    assert not shot.one_at_a_time


def test_a_hub_stood_still_where_its_greenlets_were_one_at_a_time():
    still = [Span(span(10 * (n + 1)).answer, 0, stood_ns=9 * NS_PER_MS) for n in range(2)]
    assert judged("greenlets", still, [10.0, 10.0]).blocked
    together = [Span(span(10).answer, 0, stood_ns=9 * NS_PER_MS) for _ in range(2)]
    assert not judged("greenlets", together, [10.0, 10.0]).blocked  # a busy machine's stall


def sleeps(payload):
    time.sleep(0.03)


@pytest.mark.parametrize(("places", "width"), [(8, 8), (1, 1), (3, 3)])
def test_on_threads_a_semaphore_is_seen(places, width):
    semaphore = threading.Semaphore(places)

    def work(payload):
        with semaphore:
            time.sleep(0.03)

    before = set(threading.enumerate())  # one of an earlier test may be about to end
    spans = on_threads(Calculation(work), range(8), 10, "tested")
    shot = judged("threads", spans, [30.0] * 8)
    # A busy machine makes one late at times: coarse, and certain at both ends.
    assert (shot.width == 1) if width == 1 else (2 <= shot.width <= width)
    assert shot.one_at_a_time == (width == 1)
    assert set(threading.enumerate()) <= before


def test_what_never_returns_at_once_says_so():
    first, release = threading.Lock(), threading.Event()

    def work(payload):
        if not first.acquire(blocking=False):
            release.wait(5)

    try:
        with pytest.raises(WorkloadError, match=r"returns when nothing else runs, but 2 of 3 calls .* within 0\.1 s"):
            on_threads(Calculation(work), range(3), 0.1, "jobs:price")
    finally:
        release.set()


@pytest.mark.measured
@pytest.mark.parametrize("patched", [True, False])
def test_greenlets_give_way_or_block_their_hub(patched):
    code = f"""
        from gevent import monkey
        if {patched}:
            monkey.patch_all()
        import time
        from labkit.base.real_threads import original
        from labkit.experiments.at_once import judged, on_greenlets, on_hub_threads
        from labkit.plan.work import Calculation
        nap, c_nap = Calculation(lambda p: time.sleep(0.05)), Calculation(lambda p: original("time", "sleep")(0.05))
        def shot(fire, function, calls):
            return judged("greenlets", fire(function, range(calls), 10, "tested"), [50.0] * calls)
        assert shot(on_greenlets, c_nap, 2).blocked
        assert shot(on_greenlets, nap, 2).blocked != {patched}
        assert {patched} == (shot(on_greenlets, nap, 4).width >= 3)
        assert shot(on_hub_threads, c_nap, 4).width >= 3
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
