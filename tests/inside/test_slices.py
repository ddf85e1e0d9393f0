"""Slices: the last ones, sums of all, the worst; and nothing of it grows."""

import sys

from labkit.inside.places import TASK, Place, Places
from labkit.inside.seeing import Seeing
from labkit.inside.slices import WORST_KEPT, Slices
from labkit.inside.watched import GIL, LOCK, SLICE_COLUMNS


def make(rows=4):
    places = Places(Seeing(events=8))
    return Slices(places, rows), places


def test_the_last_are_kept_and_all_are_summed():
    slices, places = make(rows=4)
    here, there = Place(TASK, "here"), Place(TASK, "there")
    for number in range(6):
        slices.add(number, number + 1, here, GIL, 10, cpu_ns=4, event=number)
    slices.add(6, 9, there, LOCK, 3, waiter=5, connection=2)
    kept, seen = slices.ring.snapshot()
    assert seen == 7
    assert [list(kept[name]) for name in SLICE_COLUMNS[:3]] == [[3, 4, 5, 6], [3, 4, 5, 6], [4, 5, 6, 9]]
    assert (kept["waiter"][-1], kept["connection"][-1], kept["event"][-1]) == (5, 2, -1)
    assert [places.met[place].name for place in kept["place"]] == ["here"] * 3 + ["there"]
    first, second = slices.totals()
    assert (first.slices, first.held_ns, first.cpu_ns, first.cause) == (6, 60, 24, GIL)
    assert (second.slices, second.held_ns) == (1, 3)


def test_the_worst_keep_their_stack():
    slices, _ = make()
    for number in range(3 * WORST_KEPT):
        slices.add(0, 1, Place(TASK, "t"), GIL, number * 1_000_000, frame=sys._getframe())
    slices.add(0, 1, Place(TASK, "t"), GIL, 10**12)  # without a stack
    worst = slices.worst()
    assert [each["held_ms"] for each in worst] == list(range(3 * WORST_KEPT - 1, 2 * WORST_KEPT - 1, -1))
    assert worst[0]["stack"][0].startswith("tests/inside/test_slices.py:")
    assert worst[0]["cause"] == "held the GIL"
