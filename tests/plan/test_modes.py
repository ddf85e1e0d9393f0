"""The modes as a table: what they need, what they hide, and how runs of several are told apart."""

import importlib.util

import pytest

from labkit import strategies
from labkit.base.errors import MissingExtra, ModeError, UsageError
from labkit.plan import modes
from labkit.plan.modes import FLASK_MODES, GUNICORN_THREADS, MODES, Mode, hidden
from labkit.plan.work import io_wait
from labkit.runs.stages import SERVER_COLUMNS
from labkit.strategies import Strategy, names_in, strategy
from labkit.ui import terminal
from tests.support import simulated


def test_there_is_a_mode_in_this_process_and_all_others_are_in_a_child():
    assert [name for name, mode in MODES.items() if mode.is_in_process] == ["threading"]
    assert all(name == mode.name for name, mode in MODES.items())


def test_flask_handlers_run_wherever_handlers_are_not_asynchronous():
    assert set(MODES) - set(FLASK_MODES) == {"asgi"}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_strategies(mode):
    assert names_in(mode)


def test_what_is_hidden_is_a_stage_that_the_server_stamps_and_has_a_reason():
    for mode in MODES.values():
        assert set(mode.hidden) <= set(SERVER_COLUMNS)
        assert all(len(why) > 20 for why in mode.hidden.values())
    assert MODES["threading"].hidden == {}


def test_a_hidden_stage_is_a_sentence_in_the_report():
    (line,) = hidden("asgi")
    assert line.startswith("asgi: read cannot be seen: uvicorn")
    assert hidden("threading") == ()
    for mode, told in (("asgi", True), ("threading", False)):
        shown = terminal.Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        shown.print(terminal.final(simulated.comparison({"inline": {"mode": mode}}), 200))
        assert ("read cannot be seen" in shown.export_text()) is told


@pytest.mark.parametrize("mode", MODES)
def test_the_scope_names_what_serves(mode):
    said = terminal.scope(mode, "3 events at once from 3 clients", io_wait(5), 5.2)
    assert said.startswith(f"{MODES[mode].served_by}; nothing here is said of another mode. ")


def test_a_mode_whose_package_is_absent_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"mode asgi needs uvicorn: pip install 'labkit\[modes\]'"):
        MODES["asgi"].require()
    MODES["threading"].require()


@pytest.mark.parametrize("others", [1, 2])
def test_gunicorn_has_a_thread_for_each_connection_and_no_more(others):
    mode = MODES["gunicorn"]
    mode.require_room(GUNICORN_THREADS - others, others)
    said = (
        f"mode gunicorn holds 100 connections .* 130 clients and {others} .*: ask for {100 - others} clients or fewer"
    )
    with pytest.raises(ModeError, match=said):
        mode.require_room(130, others)
    with pytest.raises(ModeError):
        mode.require_room(GUNICORN_THREADS - others + 1, others)
    assert f"{GUNICORN_THREADS} threads" in mode.served_by


@pytest.mark.parametrize("mode", sorted(set(MODES) - {"gunicorn"}))
def test_the_other_modes_have_room_for_whoever_comes(mode):
    MODES[mode].require_room(5_000, 2)


def test_the_module_says_what_became_of_eventlet():
    assert "eventlet is no mode here: it is deprecated upstream" in modes.__doc__


# --- a mode of the reader's ---


@pytest.fixture
def table(monkeypatch):
    """The modes, as they were again afterwards."""
    monkeypatch.setattr(modes, "MODES", dict(MODES))
    monkeypatch.setattr(strategies, "MODES", modes.MODES)


@pytest.mark.usefixtures("table")
def test_a_mode_that_is_added_is_measured_in_wherever_one_is_named():
    added = modes.add(Mode("mine", "a server of mine", "flask", maker="mine:Host", like="gunicorn"))
    assert not added.is_in_process
    assert names_in("mine") == names_in("gunicorn")
    strategy("thread").require_mode("mine")
    with pytest.raises(ModeError, match="asgi-inline cannot run in mode 'mine', only in asgi"):
        strategy("asgi-inline").require_mode("mine")
    assert terminal.scope("mine", "3 events at once from 3 clients", io_wait(5), 5.2).startswith("a server of mine; ")


@pytest.mark.usefixtures("table")
def test_a_mode_that_is_like_no_other_runs_what_names_it():
    modes.add(Mode("mine", "a server of mine", "flask", maker="mine:Host"))
    assert names_in("mine") == ()
    assert Strategy("s", print, modes=frozenset({"mine"})).runs_in("mine")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (Mode("gevent", "", "", maker="m:H"), "there is a mode 'gevent' already"),
        (Mode("mine", "", ""), "mode mine has nothing that makes its server"),
        (Mode("mine", "", "", maker="m:H", like="telepathy"), "there is no mode 'telepathy'"),
    ],
)
def test_a_mode_that_makes_no_sense_is_not_added(mode, why):
    before = dict(modes.MODES)
    with pytest.raises(ModeError, match=why):
        modes.add(mode)
    assert before == modes.MODES


# --- several modes in one comparison ---


@pytest.fixture
def two():
    here = simulated.comparison({"thread": {"own_ms": 5}, "inline": {"own_ms": 7}})
    there = simulated.comparison({"inline": {"own_ms": 90, "mode": "gevent"}})
    return here + there


def test_a_strategy_of_several_modes_is_a_row_for_each(two):
    assert two.modes == ("threading", "gevent")
    assert two.strategies == ("thread (threading)", "inline (threading)", "inline (gevent)")
    assert [s.strategy for s in two.summaries] == list(two.strategies)
    assert two["inline (gevent)"].own.p50_ms == pytest.approx(90)
    assert two["inline (threading)"].own.p50_ms == pytest.approx(7)
    assert "inline (gevent)" in repr(two)


def test_a_plain_name_is_refused_where_there_are_several_modes(two):
    with pytest.raises(UsageError, match=r"there are thread \(threading\), inline \(threading\), inline \(gevent\)"):
        two.of("inline")


def test_within_one_mode_names_are_plain_again(two):
    assert two.within("gevent").strategies == ("inline",)
    assert two.within("threading").strategies == ("thread", "inline")
    assert two.within("gevent").bounds_ms == two.bounds_ms
    with pytest.raises(UsageError, match="no run here is of mode 'asgi': there are threading, gevent"):
        two.within("asgi")


def test_a_comparison_of_one_mode_has_plain_names():
    assert simulated.comparison({"inline": {"mode": "gevent"}}).strategies == ("inline",)
