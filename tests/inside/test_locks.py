"""Which lock a thread waits for, and who holds it, told from its code and its frames."""

import ast
import sys
import threading
from contextlib import contextmanager

import pytest

from labkit.inside import locks
from labkit.inside.places import is_own
from tests.support.helpers import wait_until

LOCK = threading.Lock()
LOCKS = {"shop": threading.Lock(), 1: threading.Lock()}


class Shop:
    __slots__ = ("lock",)

    def __init__(self, lock):
        self.lock = lock

    def hold(self, begun, end):
        with self.lock:
            begun.set()
            end.wait()

    def want(self):
        with self.lock:
            pass


def hold_global(begun, end):
    with LOCK:
        begun.set()
        end.wait()


def want_global():
    with LOCK:
        pass


def hold_by_hand(begun, end):
    LOCK.acquire()
    try:
        begun.set()
        end.wait()
    finally:
        LOCK.release()


def want_by_hand():
    if LOCK.acquire(timeout=60):
        LOCK.release()


def hold_item(begun, end):
    name = "shop"
    with LOCKS[name], open(__file__):
        begun.set()
        end.wait()


def want_item():
    with LOCKS["shop"]:
        pass


def in_a_method(lock):
    shop = Shop(lock)
    return shop.hold, shop.want


PAIRS = {
    "a global": (hold_global, want_global),
    "by hand": (hold_by_hand, want_by_hand),
    "one by hand": (hold_by_hand, want_global),
    "an item": (hold_item, want_item),
    "an attribute": in_a_method(threading.Lock()),
    "an RLock": in_a_method(threading.RLock()),
    "a semaphore": in_a_method(threading.Semaphore()),
    "a condition": in_a_method(threading.Condition()),
}


@contextmanager
def held(hold, want):
    """A thread that holds, another that wants: their identifiers."""
    begun, end = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(begun, end))
    waiter = threading.Thread(target=want)
    holder.start()
    begun.wait()
    waiter.start()
    try:
        yield holder.ident, waiter.ident
    finally:
        end.set()
        holder.join()
        waiter.join()


def others(ident):
    return [(who, frame) for who, frame in sys._current_frames().items() if who != ident]


@pytest.mark.parametrize("pair", PAIRS)
def test_who_waits_for_whom(pair):
    with held(*PAIRS[pair]) as (holder, waiter):
        assert wait_until(lambda: locks.awaited(sys._current_frames()[waiter]) is not None)
        lock = locks.awaited(sys._current_frames()[waiter])
        found = locks.holder(lock, others(waiter), is_own)
        assert found is not None
        assert found[0] == holder
        # The holder waits too, though for no lock.
        assert locks.awaited(sys._current_frames()[holder]) is None


def test_two_locks_of_one_name_are_two():
    mine, other = Shop(threading.Lock()), Shop(threading.Lock())
    with held(other.hold, other.want) as (_, waiter):
        assert wait_until(lambda: locks.awaited(sys._current_frames()[waiter]) is other.lock)
        assert locks.holder(mine.lock, others(waiter), is_own) is None


def test_a_holder_that_cannot_be_seen():
    """Taken here and released elsewhere, or by a function whose files are not read."""
    with held(hold_global, want_global) as (_, waiter):
        assert wait_until(lambda: locks.awaited(sys._current_frames()[waiter]) is LOCK)
        assert locks.holder(LOCK, others(waiter), lambda filename: False) is None


def take(lock):
    lock.acquire()


def want_in_a_line(lock):
    with lock: pass  # fmt: skip  # noqa: E701


def test_who_waits_is_no_holder_though_the_statement_is_one_line():
    lock = threading.Lock()
    take(lock)  # and nobody's frame shows it
    waiters = [threading.Thread(target=want_in_a_line, args=(lock,)) for _ in range(2)]
    for waiter in waiters:
        waiter.start()
    try:
        one, other = (waiter.ident for waiter in waiters)
        assert wait_until(lambda: locks.awaited(sys._current_frames()[one]) is lock)
        assert wait_until(lambda: locks.awaited(sys._current_frames()[other]) is lock)
        assert locks.holder(lock, others(one), is_own) is None
    finally:
        lock.release()
        for waiter in waiters:
            waiter.join()


def value(text, **names):
    frame = eval("sys._getframe()", {"sys": sys, **names})
    return locks.resolve(ast.parse(text, mode="eval").body, frame)


def test_no_code_of_the_reader_s_runs():
    class Loud:
        @property
        def lock(self):
            raise AssertionError

        def __getattr__(self, name):
            raise AssertionError

    class Table(dict):
        def __getitem__(self, key):
            raise AssertionError

    assert value("a.lock", a=Loud()) is None
    assert value("a.other", a=Loud()) is None
    assert value("a()", a=list) is None
    assert value("a[1]", a=Table({1: LOCK})) is LOCK
    assert value("a[b].lock", a=[Shop(LOCK)], b=0) is LOCK
    assert value("a[3]", a=[]) is None
    assert value("missing") is None


def test_a_function_without_source_is_no_riddle():
    names = {}
    exec("def f(lock):\n    with lock:\n        pass\n", names)
    assert locks.statements(names["f"].__code__) == ()
    assert len(locks.statements(want_global.__code__)) == 1
