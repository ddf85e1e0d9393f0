"""Rows that came since the last look: each once, the newest where there are too many, none that is lost."""

import pytest

from labkit.inside.following import Following, seen
from labkit.inside.ring import Ring


def add(ring, count=1):
    for _ in range(count):
        number = ring.draw()
        ring.pack(ring.data, 8 * (number % ring.rows * ring.width), number, 7)


@pytest.fixture
def ring():
    return Ring(("number", "value"), 8)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 15, 16, 17, 1_000])
def test_how_many_there_ever_were(ring, count):
    add(ring, count)
    assert [seen(ring, known) for known in {0, min(1, count), count // 2, count}] == [count] * len(
        {0, min(1, count), count // 2, count}
    )


def test_each_row_once(ring):
    add(ring, 3)
    following = Following(ring, most=5)
    assert following.new() == (range(3), 0)
    assert following.new() == (range(3, 3), 0)
    add(ring, 5)
    assert following.new() == (range(3, 8), 0)


def test_of_too_many_the_newest(ring):
    following = Following(ring, most=5)
    add(ring, 30)
    assert following.new() == (range(25, 30), 25)
    assert Following(ring, most=100).new() == (range(22, 30), 0)
    assert Following(ring, most=100, since=28).new() == (range(28, 30), 0)


def test_at_first_it_may_look_back_further(ring):
    add(ring, 20)
    following = Following(ring, most=3, first=6)
    assert following.new() == (range(14, 20), 0)
    add(ring, 5)
    assert following.new() == (range(22, 25), 2)
