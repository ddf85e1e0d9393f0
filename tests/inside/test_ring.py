"""Rows that overwrite the oldest, snapshots while somebody writes, and tables of names that stop growing."""

import itertools
import threading

from labkit.inside.record import OTHER
from labkit.inside.ring import Names, Ring


def put(ring, value):
    number = ring.draw()
    at = number % ring.rows * ring.width
    ring.pack(ring.data, 8 * at, number, value, value)
    return number, at


def test_rows_come_in_order():
    ring = Ring(("number", "a", "b"), 10)
    for value in (7, 8, 9):
        put(ring, value)
    columns, seen = ring.snapshot()
    assert {name: list(column) for name, column in columns.items()} == {
        "number": [0, 1, 2],
        "a": [7, 8, 9],
        "b": [7, 8, 9],
    }
    assert seen == 3


def test_an_empty_ring():
    columns, seen = Ring(("number", "a"), 4).snapshot()
    assert (seen, list(columns["a"])) == (0, [])


def test_the_oldest_are_overwritten_and_counted():
    ring = Ring(("number", "a", "b"), 4)
    for value in range(10):
        put(ring, value)
    columns, seen = ring.snapshot()
    assert (seen, list(columns["number"]), list(columns["a"])) == (10, [6, 7, 8, 9], [6, 7, 8, 9])


def test_a_row_that_was_drawn_and_not_yet_written_is_left_out():
    ring = Ring(("number", "a", "b"), 4)
    for value in range(5):
        put(ring, value)
    ring.draw()
    put(ring, 6)
    columns, seen = ring.snapshot()
    assert (seen, list(columns["number"])) == (7, [3, 4, 6])


def test_snapshots_are_whole_while_others_write():
    ring = Ring(("number", "a", "b"), 500)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            number = ring.draw()
            ring.pack(ring.data, 8 * (number % ring.rows * ring.width), number, number * 3, number * 5)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(50):
            columns, seen = ring.snapshot()
            numbers = list(columns["number"])
            assert numbers == sorted(set(numbers))
            assert not numbers or numbers[0] >= seen - ring.rows
            assert all(a == 3 * n and b == 5 * n for n, a, b in zip(*columns.values(), strict=True))
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_memory_is_what_was_stated_after_a_day():
    ring = Ring(("number", "a", "b"), 1_000)
    ring.draw = itertools.count(8_640_000).__next__
    before = ring.data.buffer_info()
    for value in range(3_000):
        put(ring, value)
    assert ring.data.buffer_info() == before
    columns, seen = ring.snapshot()
    assert (seen, len(columns["number"])) == (8_643_000, 1_000)


def test_names_stop_growing():
    names = Names(4)
    assert [names.add(name) for name in "abcdea"] == [0, 1, 2, 3, 3, 0]
    assert names.names == ["a", "b", "c", OTHER]


def test_what_is_no_name_is_another():
    names = Names()
    assert names.names[names.add(["a", "list"])] == OTHER
    assert names.names[names.add("x" * 1_000_000)] == OTHER
    assert names.add(5) == names.add("y" * 129)
    assert len(names.index) == 1


def test_half_a_surrogate_pair_becomes_what_files_and_terminals_take():
    names = Names()
    assert names.names[names.add("\ud800é")] == "\\ud800é"
    assert names.names[names.add("\U0001f600")] == "\U0001f600"
    assert names.add("\ud800é") == 0


def test_names_are_not_counted_twice_by_two_threads():
    names = Names(300)
    threads = [threading.Thread(target=lambda: [names.add(str(at)) for at in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names.names, key=int) == [str(at) for at in range(200)]
    assert all(names.names[at] == name for name, at in names.index.items())
