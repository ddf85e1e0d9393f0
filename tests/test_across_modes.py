"""Several modes in one comparison: interleaved, and refused before anything is measured."""

import sys
import threading

import pytest

from labkit import across, burst, call, io_wait, preload
from labkit.errors import MissingExtra, ModeError, NotPicklable, UsageError
from labkit.modes import MODES
from labkit.strategies import default_in
from tests import simulated
from tests.helpers import nothing_left_behind

PLAN = burst(4)


@pytest.fixture
def measured(monkeypatch):
    """Instead of measuring, what would have been: mode and strategy in their order."""
    calls = []

    def measure(chosen, work, plan, *, mode, **settings):
        calls.append((mode, chosen.name))
        return simulated.run(chosen.name, plan=plan, mode=mode, work=work.name)

    monkeypatch.setattr("labkit.experiment.measure", measure)
    return calls


def test_every_pair_is_measured_once_a_round_in_an_order_of_its_own(measured):
    pairs = {("threading", "inline"), ("threading", "thread"), ("gevent", "inline"), ("asgi", "asgi-inline")}
    chosen = {"threading": ["inline", "thread"], "gevent": ["inline"], "asgi": ["asgi-inline"]}
    result = across(chosen, io_wait(1), PLAN, repeats=6)
    rounds = [measured[i : i + 4] for i in range(0, 24, 4)]
    assert all(set(block) == pairs for block in rounds)
    assert len({tuple(block) for block in rounds}) > 1
    assert result.modes == tuple(dict.fromkeys(mode for mode, _ in measured))
    assert "inline (gevent)" in result.strategies
    assert result.within("gevent").strategies == ("inline",)


def test_a_mode_without_names_has_its_usual_ones(measured):
    across({"asgi": None}, io_wait(1), PLAN, repeats=1)
    assert {name for _, name in measured} == set(default_in("asgi"))


def test_progress_is_told_after_each_run(measured):
    seen = []
    across({"gevent": ["inline"]}, io_wait(1), PLAN, progress=lambda *args: seen.append(args[:2]))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_is_refused_before_the_first_run(measured, monkeypatch):
    for wrong, error in (
        ({"eventlet": ["inline"]}, ModeError),
        ({"threading": ["inline"], "gevent": ["asgi-inline"]}, ModeError),
        ({}, UsageError),
        ({"threading": []}, UsageError),
    ):
        with pytest.raises(error):
            across(wrong, io_wait(1), PLAN)
    with pytest.raises(UsageError, match="repeats"):
        across({"threading": ["inline"]}, io_wait(1), PLAN, repeats=0)
    lock = threading.Lock()
    with pytest.raises(NotPicklable):
        across({"threading": ["inline"], "gevent": ["inline"]}, call(lambda n: lock.locked()), PLAN)

    def absent(self):
        raise MissingExtra("not there")

    monkeypatch.setattr(type(MODES["gevent"]), "require", absent)
    with pytest.raises(MissingExtra):
        across({"threading": ["inline"]}, io_wait(1), PLAN)
    assert measured == []


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_what_a_mode_needs_is_imported_once_however_often_it_is_measured(monkeypatch, client):
    forked = []
    fork = preload.Template.fork

    def noted(template, code, stderr):
        process = fork(template, code, stderr)
        forked.append((template, process))
        return process

    monkeypatch.setattr(preload.Template, "fork", noted)
    chosen = {"threading": ["inline"], "asgi": ["asgi-inline"]}
    with nothing_left_behind():
        result = across(chosen, io_wait(1), PLAN, repeats=2, client=client)
    assert all(run.outcomes["answered"] == 4 for run in result.runs)
    (template, first), (again, second) = forked
    assert template is again
    assert isinstance(first, preload.Forked)
    assert first.pid != second.pid
