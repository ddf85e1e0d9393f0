"""Real runs, small ones; what they leave behind, and what is refused before anything starts."""

import gc
import itertools
import math
import re
import subprocess
import sys
import threading
import time
import types

import numpy as np
import psutil
import pytest

import labkit as lab
from labkit.base.errors import (
    LabError,
    ModeError,
    NotPicklable,
    StrategyError,
    TooMuchMemory,
    UsageError,
    WorkloadError,
)
from labkit.experiments.compare import compare
from labkit.experiments.compare import ordered as in_order
from labkit.experiments.measure import measure
from labkit.plan.calibration import expected_answers
from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import burst
from labkit.plan.work import call, io_wait
from labkit.runs.stages import NEVER, STAGES
from labkit.server import serving
from labkit.strategies import strategy
from tests.support import simulated
from tests.support.helpers import swallowed

QUICK = io_wait(2)


def alive():
    """Threads and child processes."""
    return set(threading.enumerate()), {child.pid for child in psutil.Process().children(recursive=True)}


def nothing_new_since(before, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(now <= then for now, then in zip(alive(), before, strict=True)):
            return True
        time.sleep(0.02)
    return False


def ordered(run):
    """Whether no stage of any event comes before the one that leads to it."""
    return all((run.events[b] >= run.events[a]).all() for a, b in itertools.pairwise(STAGES))


# --- one run ---


@pytest.fixture(scope="module")
def runs(client):
    """Five events of 20 ms at once from one client, handled at once and one after the other."""
    return {
        name: measure(name, io_wait(20), burst(5, connections=1), client=client) for name in ("inline", "inline-serial")
    }


@pytest.mark.measured
@pytest.mark.parametrize("name", ["inline", "inline-serial"])
def test_a_run_closes_its_ledger(runs, name):
    run = runs[name]
    assert (run.strategy, run.work, run.mode) == (name, "io_wait:20ms", "threading")
    assert run.outcomes["answered"] == len(run) == 5
    assert (run.unaccounted, run.lost, run.strays, run.delivered("answer")) == (0, 0, 0, 5)
    assert len(run.deliveries["kind"]) == 5


@pytest.mark.measured
@pytest.mark.parametrize("name", ["inline", "inline-serial"])
def test_a_run_has_every_stage_of_every_event_in_order(runs, name):
    run = runs[name]
    assert all((array != NEVER).all() for array in run.events.values())
    assert ordered(run)
    assert (run.service_ms >= 19).all()
    assert (run.own_ms > run.service_ms).all()


@pytest.mark.measured
def test_handlers_at_once_overlap_and_one_after_the_other_they_do_not(runs):
    assert runs["inline"].own_ms.max() < 0.8 * 5 * 20
    assert runs["inline-serial"].own_ms.max() > 5 * 19
    assert np.median(runs["inline-serial"].own_ms) > np.median(runs["inline"].own_ms)


@pytest.mark.measured
@pytest.mark.parametrize("name", ["inline", "inline-serial"])
def test_the_bystander_pings_at_its_rate_for_the_window(runs, name):
    run = runs[name]
    assert run.conditions.window_s == pytest.approx(5 * 0.02, rel=0.5)
    assert len(run.bystander_ms) == max(1, round(run.conditions.window_s * 50))
    assert np.isfinite(run.bystander_ms).all()


@pytest.mark.measured
def test_a_run_tells_its_machine_its_settings_and_its_confounders(runs):
    assert {"python", "system", "cores", "versions"} <= set(runs["inline-serial"].machine)
    about = runs["inline-serial"].conditions
    assert about.measured
    assert about.duration_s > 0
    assert (about.options, about.is_serial, runs["inline"].conditions.is_serial) == (
        {"async_handlers": False},
        True,
        False,
    )
    assert about.tuned
    assert about.switch_interval_s == sys.getswitchinterval()
    assert (about.gc_frozen, about.stock, about.instrumented, about.answers_checked) == (True, False, True, True)
    assert (about.warm_up_asked, about.warm_up_answered) == (2, 2)
    assert about.handler_errors == ()
    assert about.server_switches > len(runs["inline-serial"])  # its threads hand over to each other for every event
    assert len(about.spare_cpu) == 2
    assert all(0 < share <= 1 for share in about.spare_cpu)
    assert about.server_cpu_s >= 0
    assert about.client == "outside"


@pytest.mark.measured
def test_the_servers_process_is_watched(runs):
    samples = runs["inline"].samples
    assert len(samples["at"]) >= 2
    assert samples["threads"].min() >= 1
    assert runs["inline"].threads_peak >= 0


@pytest.mark.measured
def test_a_run_can_be_saved_and_loaded(runs, tmp_path):
    loaded = type(runs["inline"]).load(runs["inline"].save(tmp_path / "run"))
    assert repr(loaded) == repr(runs["inline"])
    assert (loaded.machine, loaded.conditions) == (runs["inline"].machine, runs["inline"].conditions)


@pytest.mark.measured
def test_a_broadcast_reaches_the_bystander_and_the_listener_too(client):
    run = measure("thread-broadcast", QUICK, burst(4, connections=1), client=client)
    assert (run.outcomes["answered"], run.strays) == (4, 8)


@pytest.mark.measured
def test_without_hooks_and_pings_only_the_client_stamps(client):
    run = measure("inline", QUICK, burst(2), instrumented=False, ping_hz=0, client=client)
    assert run.outcomes["answered"] == 2
    assert np.isnan(run.handler_blocking_ms).all()
    assert (len(run.pings["intended"]), len(run.bystander_ms)) == (0, 0)


@pytest.mark.measured
def test_a_stock_server_differs_in_nothing(client):
    run = measure("inline", QUICK, burst(2), stock=True, client=client)
    assert run.outcomes["answered"] == 2
    assert (run.conditions.stock, run.conditions.tuned, run.conditions.options) == (True, {}, {})


@pytest.mark.measured
def test_a_function_of_the_reader_is_a_strategy(client):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            socketio.emit("response", complex_calculation(data))

    run = measure(register, QUICK, burst(2), client=client)
    assert (run.strategy, run.outcomes["answered"], run.strays) == ("register", 2, 2 * (1 + 2))


@pytest.mark.measured
def test_events_of_several_connections_are_answered_on_their_own(client):
    run = measure("inline", QUICK, burst(6, connections=3), client=client)
    answers = dict(zip(run.deliveries["event"].tolist(), run.deliveries["connection"].tolist(), strict=True))
    assert [answers[event] for event in range(6)] == run.plan.connection.tolist()
    assert (run.conditions.warm_up_asked, run.conditions.warm_up_answered) == (2, 2)


@pytest.mark.measured
def test_a_workload_that_raises_sometimes_fails_those_events_alone(client):
    run = measure("inline", call(lambda payload: 6 / (payload - 2)), burst(4), client=client)
    assert (run.outcomes["answered"], run.outcomes["failed"], run.unaccounted) == (3, 1, 0)
    assert run.messages == {2: "ZeroDivisionError: division by zero"}
    assert run.own_ms[2] == math.inf


@pytest.mark.measured
def test_a_wrong_answer_is_found_out(client):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            socketio.emit("response", {**complex_calculation(data), "result": "nonsense"})

    run = measure(register, QUICK, burst(3), client=client)
    assert run.outcomes["wrong"] == 3
    assert "nonsense" in run.messages[0]


@pytest.mark.measured
def test_a_strategy_that_never_answers_is_said_to_have_timed_out(client):
    def register(socketio, complex_calculation):
        socketio.on_event("message", lambda data: None)

    run = measure(register, QUICK, burst(3), timeout_s=0.2, client=client)
    assert (run.outcomes["timed out"], run.unaccounted) == (3, 0)
    assert (run.conditions.warm_up_asked, run.conditions.warm_up_answered) == (2, 0)


@pytest.mark.measured
def test_a_handler_that_raises_is_told(client):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            raise ValueError("so it goes")

    run = measure(register, QUICK, burst(2), timeout_s=0.2, warm_up=0, client=client)
    assert run.conditions.handler_errors == ("ValueError: so it goes",) * 2


@pytest.mark.measured
def test_a_function_that_has_changed_since_the_last_run_is_calibrated_anew(client):
    # As after a cell that the function depends on was edited and run again.
    factor = 1
    work = call(lambda payload: factor * payload)
    assert measure("inline", work, burst(3), client=client).outcomes["answered"] == 3
    factor = 2
    assert measure("inline", work, burst(3), client=client).outcomes["answered"] == 3


class Unhashable:  # noqa: PLW1641 (that it has none is the point)
    """A callable with an own equality and so without a hash, as a plain dataclass is."""

    def __eq__(self, other):
        return self is other

    def __call__(self, payload):
        return payload


@pytest.mark.measured
def test_a_callable_object_without_a_hash_is_measured_too(client):
    assert measure("inline", call(Unhashable()), burst(2), client=client).outcomes["answered"] == 2


CLIENT_IN_THE_SAME_PROCESS = """
import threading
from labkit.client.process import ClientThread
from labkit.experiments.measure import measure
from labkit.plan.schedules import burst
from labkit.plan.work import io_wait

for _ in range(3):
    with ClientThread() as client:
        print(measure("thread", io_wait(2), burst(3), client=client).outcomes["answered"], flush=True)
"""


@pytest.mark.measured
def test_a_client_on_a_thread_measures_too():
    # In a process of its own: where it waits for ever, this test must not.
    done = subprocess.run(
        [sys.executable, "-c", CLIENT_IN_THE_SAME_PROCESS], capture_output=True, text=True, timeout=15, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["3", "3", "3"], 0), done.stderr


# --- what a run leaves behind ---


@pytest.fixture
def settings_of_the_interpreter(nothing_frozen):
    """Another switch interval than Python's own, and what there is to put back."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield lambda: (round(sys.getswitchinterval(), 6), gc.get_freeze_count(), gc.isenabled())
    sys.setswitchinterval(before)


class Breaks:
    """A client that connects and warms up, and whose fire raises."""

    def __init__(self, client, error):
        self.client = client
        self.error = error
        self.seen = None
        self.closed = False

    def __getattr__(self, name):
        return getattr(self.client, name)

    def fire(self, job):
        self.seen = (round(sys.getswitchinterval(), 6), gc.get_freeze_count() > 0)
        raise self.error

    def close(self):
        self.closed = True
        self.client.close()


@pytest.mark.measured
def test_a_run_puts_the_interpreters_settings_back(client, settings_of_the_interpreter):
    before = settings_of_the_interpreter()
    run = measure("inline", QUICK, burst(2), switch_interval_s=0.001, client=client)
    assert run.conditions.switch_interval_s == pytest.approx(0.001)
    assert settings_of_the_interpreter() == before


@pytest.mark.measured
@pytest.mark.parametrize("error", [RuntimeError("so it goes"), KeyboardInterrupt(), LabError("the lab's")])
def test_a_run_that_fails_puts_everything_back(client, settings_of_the_interpreter, error):
    before, settings = alive(), settings_of_the_interpreter()
    broken = Breaks(client, error)
    with pytest.raises(type(error)):
        measure("inline", QUICK, burst(2), switch_interval_s=0.001, client=broken)
    assert broken.seen == (0.001, True)
    assert broken.closed
    assert settings_of_the_interpreter() == settings
    assert nothing_new_since(before)


@pytest.mark.measured
def test_the_garbage_collector_is_left_alone_where_asked(client, nothing_frozen):
    broken = Breaks(client, RuntimeError())
    with pytest.raises(RuntimeError):
        measure("inline", QUICK, burst(2), freeze_gc=False, client=broken)
    assert broken.seen[1] is False


@pytest.mark.measured
def test_after_a_run_that_failed_the_next_one_works(client):
    with pytest.raises(RuntimeError):
        measure("inline", QUICK, burst(2), client=Breaks(client, RuntimeError()))
    assert measure("inline", QUICK, burst(2), client=client).outcomes["answered"] == 2


def raises(error):
    raise error


@pytest.mark.measured
@pytest.mark.parametrize("come", [raises, swallowed], ids=["raised", "swallowed"])
def test_an_interrupt_between_two_runs_leaves_nothing_behind(client, come):
    before, told = alive(), []

    def interrupt(done, total, run):
        told.append(done)
        if done == 2:
            come(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        compare(["inline", "thread-pool"], QUICK, burst(2), progress=interrupt, client=client)
    assert told == [1, 2]
    assert nothing_new_since(before)


# --- refused before anything starts ---


class Untouched:
    """A client that must not be asked for anything."""

    def __getattr__(self, name):
        raise AssertionError(f"the client was asked to {name}")


@pytest.fixture
def nothing_starts(monkeypatch):
    """No server is made, no client asked; threads and processes are the same afterwards."""

    def made(*args, **kwargs):
        raise AssertionError("a server was made")

    monkeypatch.setattr(serving, "Server", made)
    before = alive()
    yield
    assert alive() == before


def held_lock():
    lock = threading.Lock()
    return call(lambda payload: lock.locked())


def raises(payload):
    raise ValueError("so it goes")


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (StrategyError, {"strategy": "no-such-strategy"}),
        (StrategyError, {"strategy": 42}),
        (ModeError, {"mode": "telepathy"}),
        (UsageError, {"window_s": -1}),
        (UsageError, {"window_s": math.nan}),
        (UsageError, {"timeout_s": -0.1}),
        (UsageError, {"timeout_s": math.inf}),
        (UsageError, {"ping_hz": -50}),
        (UsageError, {"switch_interval_s": 0}),
        (UsageError, {"switch_interval_s": -1}),
        (NotPicklable, {"strategy": "process-pool", "work": held_lock()}),
        (WorkloadError, {"work": call(raises)}),
        (WorkloadError, {"work": call(lambda: {1, 2})}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:30],
)
def test_a_run_that_makes_no_sense_is_refused(error, arguments):
    settings = {"strategy": "inline", "work": QUICK, "plan": burst(2), "client": Untouched(), **arguments}
    with pytest.raises(error) as refusal:
        measure(**settings)
    assert len(str(refusal.value).split()) > 4


@pytest.mark.usefixtures("nothing_starts")
def test_more_events_than_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=1_000_000))
    with pytest.raises(TooMuchMemory, match="fire fewer"):
        measure("inline", QUICK, burst(10_000), client=Untouched())


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("error", "strategies", "settings"),
    [
        (UsageError, ["inline"], {"repeats": 0}),
        (UsageError, ["inline"], {"repeats": -1}),
        (UsageError, [], {}),
        (UsageError, ["inline", "thread", "inline"], {}),
        (StrategyError, ["inline", "no-such-strategy"], {}),
        (StrategyError, "no-such-strategy", {}),
        (UsageError, ["inline"], {"repeat": 2}),
        (UsageError, ["inline"], {"exhibits": ["thread"]}),
        (ModeError, ["inline"], {"mode": "telepathy"}),
        (NotPicklable, ["inline", "process-pool"], {"work": held_lock()}),
        (UsageError, ["inline"], {"window_s": -1}),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(error, strategies, settings):
    told = []
    settings = {"work": QUICK, "plan": burst(2), "client": Untouched(), "progress": told.append, **settings}
    with pytest.raises(error):
        compare(strategies, **settings)
    assert told == []


@pytest.mark.measured
def test_a_strategy_that_cannot_be_registered_leaves_nothing_behind(client):
    def register(socketio, complex_calculation):
        raise ValueError("so it goes")

    before = alive()
    with pytest.raises(LabError, match="so it goes"):
        measure(register, QUICK, burst(2), client=client)
    assert nothing_new_since(before)


# --- several strategies ---


def test_each_block_holds_each_strategy_once():
    chosen = [strategy(name) for name in ("inline", "thread", "thread-pool")]
    order = interleaved(chosen, 20, seed=1)
    blocks = [order[i : i + 3] for i in range(0, 60, 3)]
    assert all(sorted(s.name for s in block) == ["inline", "thread", "thread-pool"] for block in blocks)
    assert len({tuple(s.name for s in block) for block in blocks}) > 1


def test_the_order_depends_on_the_seed_alone():
    chosen = [strategy(name) for name in ("inline", "thread", "thread-pool")]
    assert interleaved(chosen, 10, seed=1) == interleaved(chosen, 10, seed=1)
    assert interleaved(chosen, 10, seed=1) != interleaved(chosen, 10, seed=2)


@pytest.mark.measured
def test_a_comparison_measures_each_strategy_as_often_as_asked(client):
    told = []
    result = compare(
        ["inline", strategy("thread-pool", workers=1)],
        QUICK,
        burst(2),
        repeats=2,
        seed=5,
        bounds_ms=(1, 2),
        progress=lambda done, total, run: told.append((done, total, run)),
        client=client,
    )
    assert {s.strategy: s.runs for s in result.summaries} == {"inline": 2, "thread-pool, workers=1": 2}
    assert [(done, total) for done, total, _ in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert tuple(run for *_, run in told) == result.runs
    expected = interleaved([strategy("inline"), strategy("thread-pool", workers=1)], 2, seed=5)
    assert [run.strategy for run in result.runs] == [s.name for s in expected]
    assert result.bounds_ms == (1, 2)
    assert len({run.conditions.window_s for run in result.runs}) == 1


@pytest.mark.measured
def test_measurements_come_one_by_one(client):
    coming = in_order(["inline"], QUICK, burst(2), repeats=5, client=client).runs()
    assert next(coming).outcomes["answered"] == 2
    coming.close()


# --- one strategy under several settings ---


@pytest.mark.measured
def test_variants_differ_by_their_settings_alone():
    null = lab.call(lambda: 0, payloads=[0])
    variants = {"with stamps": {}, "without": {"instrumented": False, "network": "1ms"}}
    result = lab.vary("inline", null, lab.burst(2), variants, repeats=2, ping_hz=0)
    assert [len(result.of(name)) for name in variants] == [2, 2]
    assert {run.conditions.link is None for run in result.of("with stamps")} == {True}
    assert len({run.conditions.link.seed for run in result.of("without")}) == 2  # no run repeats another's chance
    assert all(np.isnan(run.handler_blocking_ms).all() for run in result.of("without"))
    assert not any(np.isnan(run.handler_blocking_ms).any() for run in result.of("with stamps"))


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("variants", "repeats", "said"),
    [
        ({}, 1, "at least one variant"),
        ({"a": {}}, 0, "repeats must be 1 or more"),
        ({"a": {}, "b": {"windows_s": 1}}, 1, "there is no setting 'windows_s': window_s?"),
        ({"a": {}, "b": {"exhibit": "inline"}}, 1, "exhibit is called strategy now"),
    ],
)
def test_variants_that_make_no_sense_are_refused_before_the_first_run(variants, repeats, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        lab.vary("inline", lab.io_wait(1), lab.burst(1), variants, repeats=repeats, client=Untouched())


@pytest.mark.measured
def test_a_variant_keeps_the_name_of_its_strategy(client):
    result = lab.vary("inline", QUICK, burst(1), {"a": {}, "b": {"warm_up": 0}}, repeats=1, client=client)
    assert result.strategies == ("a", "b")
    assert {run.strategy for run in result.runs} == {"inline"}
    assert {run.variant for run in result.runs} == {"a", "b"}


# --- what was measured is kept ---


@pytest.mark.measured
def test_a_single_name_is_understood(client):
    assert compare("inline", QUICK, burst(1), repeats=1, client=client).strategies == ("inline",)


@pytest.mark.measured
@pytest.mark.parametrize("error", [KeyboardInterrupt(), LabError("so it goes")])
def test_what_was_measured_is_in_the_folder_when_a_run_fails_or_ctrl_c_comes(client, error, tmp_path):
    def break_off(done, total, run):
        if done == 2:
            raise error

    folder = tmp_path / "results"
    with pytest.raises(type(error)) as raised:
        compare(["thread", "inline"], QUICK, burst(1), progress=break_off, save_to=folder, client=client)
    if isinstance(error, LabError):
        assert str(folder) in raised.value.__notes__[0]
    kept = lab.Comparison.load(folder)
    assert len(kept.runs) == 2
    assert kept.names == ("thread", "inline")


@pytest.mark.usefixtures("nothing_starts")
def test_a_folder_that_holds_runs_is_refused_before_the_first_run(tmp_path):
    simulated.run().save(tmp_path / "run-00000-inline")
    with pytest.raises(UsageError, match="name another folder"):
        compare("inline", QUICK, burst(1), save_to=tmp_path, client=Untouched())


def test_a_variant_in_a_mode_that_there_is_not_is_refused():
    with pytest.raises(ModeError, match="telepathy"):
        lab.vary("inline", lab.io_wait(1), lab.burst(1), {"a": {"mode": "telepathy"}}, repeats=1)


@pytest.mark.measured
def test_a_function_is_called_once_an_event_and_to_warm_up_and_never_by_mistake(client):
    called = []
    work, plan = lab.call(lambda number: called.append(number) or number), lab.burst(2)
    expected = expected_answers(work, plan)
    assert called == [0, 1, 0]
    called.clear()
    lab.compare(["inline", "inline-serial"], work, plan, repeats=1, ping_hz=0, client=client, expected=expected)
    assert sorted(called) == sorted(2 * [0, 1, 2, 3])  # of each run its own, and two to warm up that it does not have
