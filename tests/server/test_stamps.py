"""Preallocated columns: an event's number is its place, and whatever has no place is left alone."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.clock import now_ns
from labkit.runs.stages import MISSING, SERVER_COLUMNS, SIDE_MARKS, STAGES
from labkit.server.stamps import Stamps
from tests.support.fake_clock import FakeClock


def test_every_column_is_preallocated_and_empty():
    columns = Stamps(3).columns()
    assert set(columns) == set(SERVER_COLUMNS)
    assert all(list(column) == [MISSING] * 3 for column in columns.values())


def test_columns_share_no_memory():
    stamps = Stamps(2)
    stamps.read[0] = 5
    assert sum(sum(column) for column in stamps.columns().values()) == 5


def test_columns_are_live():
    stamps = Stamps(2)
    columns = stamps.columns()
    stamps.emitted[1] = 9
    assert columns["emitted"][1] == 9


def test_a_column_holds_a_64_bit_stamp():
    stamps = Stamps(1)
    stamps.read[0] = 2**63 - 1
    assert stamps.read[0] == 2**63 - 1


def test_a_column_does_not_grow():
    with pytest.raises(IndexError):
        Stamps(2).read[2] = 1


def test_no_events_no_places():
    stamps = Stamps(0)
    assert stamps.place({"id": 0}) == -1
    assert all(len(column) == 0 for column in stamps.columns().values())


def test_server_columns_are_stages_or_side_marks():
    assert set(SERVER_COLUMNS) <= set(STAGES) | set(SIDE_MARKS)


def test_the_clock_is_the_common_one_unless_told_otherwise():
    fake = FakeClock()
    assert Stamps(1).now is now_ns
    assert Stamps(1, now=fake).now is fake


@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_number_of_the_plan_is_its_place(number):
    assert Stamps(5).place({"id": number, "payload": "x"}) == number


@pytest.mark.parametrize(
    "message",
    [{"id": -1}, {"id": 5}, {"id": True}, {"id": 1.0}, {"id": "1"}, {"id": None}, {"id": [1]}, {}, None, 1, "id", [0]],
)
def test_anything_else_has_no_place(message):
    assert Stamps(5).place(message) == -1


@given(st.integers(0, 50), st.integers(-3, 60) | st.text() | st.none() | st.lists(st.integers()))
def test_a_place_is_always_within_the_columns(events, number):
    place = Stamps(events).place({"id": number})
    assert place == (number if number in range(events) else -1)


@pytest.mark.measured
def test_stamps_load_no_pandas():
    code = "import sys, labkit.server.stamps; print('pandas' in sys.modules or 'numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert answer.strip() == "False"


def test_a_handler_that_goes_on_is_waited_for_and_one_that_never_ends_is_not():
    stamps = Stamps(2)
    stamps.settle(60)  # none has begun
    stamps.handler_start[0] = 1
    timer = threading.Timer(0.05, stamps.handler_end.__setitem__, (0, 2))
    timer.start()
    stamps.settle(60)
    assert stamps.handler_end[0] == 2
    timer.join()
    stamps.handler_start[1] = 3
    stamps.settle(0.01)
    assert stamps.handler_end[1] == 0
