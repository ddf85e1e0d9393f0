"""Several modes in one comparison: interleaved, and refused before anything is measured."""

import threading

import pytest

from labkit import burst, call, compare_modes, io_wait
from labkit.base.errors import MissingExtra, ModeError, NotPicklable, UsageError
from labkit.plan.modes import MODES
from labkit.strategies import default_in
from tests.support import simulated

PLAN = burst(4)


@pytest.fixture
def measured(monkeypatch):
    """Instead of measuring, what would have been: mode and strategy in their order."""
    calls = []

    def measure(chosen, work, plan, *, mode, **settings):
        calls.append((mode, chosen.name))
        return simulated.run(chosen.name, plan=plan, mode=mode, work=work.name)

    monkeypatch.setattr("labkit.experiments.compare.measure", measure)
    return calls


def test_every_pair_is_measured_once_a_round_in_an_order_of_its_own(measured):
    pairs = {("threading", "inline"), ("threading", "thread"), ("gevent", "inline"), ("asgi", "asgi-inline")}
    chosen = {"threading": ["inline", "thread"], "gevent": ["inline"], "asgi": ["asgi-inline"]}
    result = compare_modes(chosen, io_wait(1), PLAN, repeats=6)
    rounds = [measured[i : i + 4] for i in range(0, 24, 4)]
    assert all(set(block) == pairs for block in rounds)
    assert len({tuple(block) for block in rounds}) > 1
    assert result.modes == tuple(dict.fromkeys(mode for mode, _ in measured))
    assert "inline (gevent)" in result.strategies
    assert result.within("gevent").strategies == ("inline",)


def test_a_mode_without_names_has_its_usual_ones(measured):
    compare_modes({"asgi": None}, io_wait(1), PLAN, repeats=1)
    assert {name for _, name in measured} == set(default_in("asgi"))


def test_progress_is_told_after_each_run(measured):
    seen = []
    compare_modes({"gevent": ["inline"]}, io_wait(1), PLAN, progress=lambda *args: seen.append(args[:2]))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_is_refused_before_the_first_run(measured, monkeypatch):
    for wrong, error in (
        ({"eventlet": ["inline"]}, ModeError),
        ({"threading": ["inline"], "gevent": ["asgi-inline"]}, ModeError),
        ({}, UsageError),
        ({"threading": []}, UsageError),
    ):
        with pytest.raises(error):
            compare_modes(wrong, io_wait(1), PLAN)
    with pytest.raises(UsageError, match="repeats"):
        compare_modes({"threading": ["inline"]}, io_wait(1), PLAN, repeats=0)
    lock = threading.Lock()
    with pytest.raises(NotPicklable):
        compare_modes({"threading": ["inline"], "gevent": ["inline"]}, call(lambda n: lock.locked()), PLAN)

    def absent(self):
        raise MissingExtra("not there")

    monkeypatch.setattr(type(MODES["gevent"]), "require", absent)
    with pytest.raises(MissingExtra):
        compare_modes({"threading": ["inline"]}, io_wait(1), PLAN)
    assert measured == []
