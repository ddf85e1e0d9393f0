"""``labkit compare``: what it refuses, what it shows, how it ends; and that everything measured is kept."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.base.errors import ServerError
from labkit.experiments import compare, diagnose, offered
from labkit.experiments.compare import Ordered
from labkit.plan import calibration, prices
from labkit.plan.work import call
from labkit.runs.comparison import Comparison
from labkit.strategies import names_in
from labkit.ui.commands.compare_request import Request
from tests.experiments.test_diagnose import of as simulated_diagnosis
from tests.support import simulated
from tests.support.helpers import taking_interrupts, wait_until
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit, real, written


@pytest.fixture
def measured(monkeypatch):
    """Stand-in for measuring: the runs that a test gives; an exception among them is raised. The figure is small.

    `greedy` are those of one client that sends everything, which come after the others.
    """
    monkeypatch.setattr(plots, "overview", lambda result: plt.figure(figsize=(1, 1)))

    def prepare(*runs, greedy=()):
        done = False

        def measured_by_hand(order):
            nonlocal done
            chosen, done = greedy if done and order.plan.connections == 1 else runs, True
            for run in chosen:
                if isinstance(run, BaseException):
                    raise run
                yield replace(run, work=order.work.name)

        monkeypatch.setattr(Ordered, "runs", measured_by_hand)
        monkeypatch.setattr(diagnose, "diagnose", lambda work, **about: simulated_diagnosis(work=work.name))

    return prepare


# --- help ---


def test_the_help_of_compare_teaches_targets_and_exit_codes():
    found = " ".join(labkit("compare", "--help").stdout.split())
    targets = ("prices", "cpu:100ms", "io_wait:100ms", "cpu_nogil:100ms", "package.module:name")
    assert all(target in found for target in targets)
    assert all(
        code in found for code in ("Exit code: 0 measured", "1 a run is invalid or lost events", "2 wrong usage")
    )


# --- one greedy client ---


def in_turn(bystander_ms, **about):
    return simulated.run(
        "inline-serial", bystander_ms=bystander_ms, conditions={"options": {"async_handlers": False}}, **about
    )


def test_one_greedy_client_is_measured_beside_a_room_and_told_apart_from_it(measured):
    room = simulated.run(bystander_ms=450), in_turn(340)
    measured(*room, greedy=(simulated.run(bystander_ms=440, clients=1), in_turn(20, clients=1)))
    shown = " ".join(labkit("compare", "prices", "--strategies", "inline,inline-serial", "--out", "X").stdout.split())
    assert "The same from one client that sends everything (10 events at once from one client):" in shown
    assert "For one greedy client inline-serial spares the neighbours as well (20 ms (max))" in shown
    assert Comparison.load("X").clients == (10,)
    assert Comparison.load("X/one-client").clients == (1,)
    about = json.loads(Path("X/summary.json").read_text())
    assert [each["name"] for each in about["one_client"]] == ["inline", "inline-serial"]
    assert about["clients"] == 10


def test_answers_out_of_order_are_told_of_a_greedy_client_where_each_of_a_room_sent_one_event(measured):
    reverse = [120, 100, 80, 60, 40, 20]
    room = simulated.run(own_ms=reverse), in_turn(1, own_ms=reverse)
    measured(
        *room, greedy=(simulated.run(own_ms=reverse, clients=1), in_turn(1, own_ms=range(100, 160, 10), clients=1))
    )
    arguments = ("compare", "prices", "--strategies", "inline,inline-serial", "--events", 6, "--out", "X")
    shown = " ".join(labkit(*arguments).stdout.split())
    (note,) = Comparison.load("X/one-client").out_of_order
    assert "under inline (5 of 5)" in note
    assert note in shown
    assert "If a client's events must stay in order: write inline-serial" in shown
    about = json.loads(Path("X/summary.json").read_text())
    assert note in about["notes"]
    assert [each["order"]["kept"] for each in about["strategies"]] == [None, None]
    assert [each["order"]["kept"] for each in about["one_client"]] == [False, True]
    assert (about["recommendation"]["strategy"], about["recommendation"]["in_order"]) == ("inline", "inline-serial")


@pytest.mark.parametrize("options", [(), ("--answers-differ",)])
def test_answers_that_nobody_could_check_need_the_readers_word_for_a_recommendation(measured, options):
    measured(simulated.run(own_ms=5, conditions={"answers_checked": False}))
    labkit("compare", "prices", "--strategies", "inline", *options, "--out", "X")
    about = json.loads(Path("X/summary.json").read_text())["recommendation"]
    assert about["strategy"] == ("inline" if options else None)


@pytest.mark.parametrize(
    "arguments", [("--connections", 10), ("--connections", 1), ("--strategies", "inline,thread"), ("--events", 1)]
)
def test_a_greedy_client_is_not_measured_where_it_was_decided_or_changes_nothing(arguments):
    asked = {"strategies": "inline,inline-serial", "connections": None, "events": None}
    asked[arguments[0].strip("-")] = arguments[1]
    rest = dict.fromkeys(("target", "burst", "every", "rate", "load", "seconds", "repeats", "app", "data"))
    assert Request(**rest, **asked, poisson=False, mix=(), apart=False, mode="threading", seed=0).greedy == []


# --- what events carry ---


@pytest.mark.parametrize(
    ("lines", "asked", "events", "again"),
    [
        (3, (), 3, False),
        (30, (), 10, False),
        (1, (), 10, False),
        (3, ("--events", 7), 7, True),
        (3, ("--rate", 9), 3, False),
    ],
)
def test_no_payload_is_sent_twice_unless_so_many_are_asked_for(
    lines, asked, events, again, here, measured, monkeypatch
):
    (here / "orders.jsonl").write_text("\n".join(map(str, range(lines))))
    monkeypatch.setattr("labkit.ui.commands.session.named", lambda target, payloads, app, mode: call(abs, payloads))
    measured(simulated.run())
    result = labkit("compare", "m:f", "--data", "orders.jsonl", *asked, "--strategies", "inline", "--out", "X")
    assert f"from {events} clients; " in json.loads(Path("X/summary.json").read_text())["scope"]
    assert ("payloads are sent again" in result.stdout) is again


# --- how the server is started ---


def asked_for(**options):
    names = ("target", "events", "burst", "every", "rate", "load", "seconds", "strategies", "repeats", "connections")
    rest = dict.fromkeys((*names, "app", "data"))
    return Request(**rest, poisson=False, mix=(), apart=False, mode="threading", seed=0, **options)


def test_heartbeat_and_options_reach_every_server_of_a_comparison(measured, monkeypatch):
    serving = asked_for(
        ping_interval=2.5, ping_timeout=7.0, option=("max_http_buffer_size=5000", "cookie=None")
    ).serving
    assert serving == {
        "mode": "threading",
        "ping_interval_s": 2.5,
        "ping_timeout_s": 7.0,
        "options": {"max_http_buffer_size": 5000, "cookie": None},
    }
    orders = []
    measured(simulated.run())
    by_hand = Ordered.runs
    monkeypatch.setattr(Ordered, "runs", lambda order: orders.append(order) or by_hand(order))
    done = labkit(
        "compare", "cpu:1ms", "--strategies", "inline", "--ping-interval", 1, "--option", "cookie=x", "--out", "X"
    )
    assert done.exit_code == 0
    settings = [settings for order in orders for _, settings, _ in order.turns]
    assert settings
    assert {(s["ping_interval_s"], s["ping_timeout_s"], s["options"]["cookie"]) for s in settings} == {(1.0, None, "x")}


@pytest.mark.measured
def test_what_is_too_large_is_told_before_the_run_with_what_raises_the_limit(measured):
    measured(simulated.run())
    Path("big.jsonl").write_text(json.dumps("x" * 3000) + "\n")
    arguments = (
        "builtins:len",
        "--data",
        "big.jsonl",
        "--strategies",
        "inline",
        "--option",
        "max_http_buffer_size=2000",
    )
    shown = " ".join(labkit("compare", *arguments, "--out", "X").stdout.split())
    before, _, _ = shown.partition("own p50")
    assert "10 of 10 events are larger than the server takes" in before
    assert "--option max_http_buffer_size=3036 does" in before


# --- modes ---


@pytest.mark.measured
def test_a_mode_brings_its_own_strategies_and_says_what_served_them(here):
    done = real(
        "compare", "io_wait:5ms", "--events", 3, "--mode", "asgi", "--repeats", 1, "--json", "--out", here / "X"
    )
    found = json.loads(done.stdout)
    assert [s["name"] for s in found["strategies"]] == list(names_in("asgi"))
    assert all(s["outcomes"]["answered"] == 3 and s["unaccounted"] == 0 for s in found["strategies"])
    assert found["mode"] == "asgi"
    assert found["scope"].startswith("uvicorn with python-socketio's AsyncServer (no Flask); nothing here is said of ")


# --- wrong usage ---

MODULE = """
import threading

some = {1, 2}

def right(number):
    return number

class Locked:
    def __init__(self):
        self.lock = threading.Lock()
    def __call__(self, number):
        return number

locked = Locked()

def raises(number):
    raise ValueError("no price")

def gives_a_set(number):
    return {number}

def wants_two(one, two):
    return one

async def waits(number):
    return number
"""

WRONG = {
    "unknown target": ("nonsense",),
    "time without a unit": ("cpu:100",),
    "no time": ("io_wait:0ms",),
    "unknown strategy": ("io_wait:1ms", "--strategies", "inline,magic"),
    "strategy named twice": ("io_wait:1ms", "--strategies", "inline,inline"),
    "no strategy": ("io_wait:1ms", "--strategies", ","),
    "unknown mode": ("io_wait:1ms", "--mode", "telepathy"),
    "deprecated mode": ("io_wait:1ms", "--mode", "eventlet"),
    "strategy of another mode": ("io_wait:1ms", "--mode", "asgi", "--strategies", "inline"),
    "rate of nothing": ("io_wait:1ms", "--rate", "0"),
    "negative rate": ("io_wait:1ms", "--rate", "-5"),
    "endless rate": ("io_wait:1ms", "--rate", "inf"),
    "no number as rate": ("io_wait:1ms", "--rate", "nan"),
    "poisson without a rate": ("io_wait:1ms", "--poisson"),
    "rate with a burst": ("io_wait:1ms", "--rate", "5", "--burst", "2"),
    "rate with a distance": ("io_wait:1ms", "--rate", "5", "--every", "2"),
    "load of nothing": ("io_wait:1ms", "--load", "0"),
    "negative load": ("io_wait:1ms", "--load", "-0.9"),
    "load in percent": ("io_wait:1ms", "--load", "90"),
    "endless load": ("io_wait:1ms", "--load", "inf"),
    "no number as load": ("io_wait:1ms", "--load", "nan"),
    "load with a rate": ("io_wait:1ms", "--load", "0.9", "--rate", "5"),
    "load with a burst": ("io_wait:1ms", "--load", "0.9", "--burst", "5"),
    "load with a distance": ("io_wait:1ms", "--load", "0.9", "--every", "5"),
    "load with events": ("io_wait:1ms", "--load", "0.9", "--events", "5"),
    "load with poisson": ("io_wait:1ms", "--load", "0.9", "--poisson"),
    "load for no time": ("io_wait:1ms", "--load", "0.9", "--seconds", "0"),
    "load for less than no time": ("io_wait:1ms", "--load", "0.9", "--seconds", "-5"),
    "load with too few events": ("io_wait:100ms", "--load", "0.5", "--seconds", "1"),
    "load with more clients than events": ("io_wait:100ms", "--load", "0.9", "--connections", "99"),
    "seconds without a load": ("io_wait:1ms", "--seconds", "5"),
    "part of a burst": ("io_wait:1ms", "--events", "10", "--burst", "4"),
    "burst larger than all": ("io_wait:1ms", "--events", "3", "--burst", "4"),
    "bursts without a distance": ("io_wait:1ms", "--events", "4", "--burst", "2"),
    "distance without a second burst": ("io_wait:1ms", "--events", "4", "--every", "2"),
    "distance of nothing": ("io_wait:1ms", "--events", "4", "--burst", "2", "--every", "0"),
    "no events": ("io_wait:1ms", "--events", "0"),
    "fewer than no events": ("io_wait:1ms", "--events", "-3"),
    "no events at a rate": ("io_wait:1ms", "--events", "0", "--rate", "5"),
    "burst of nothing": ("io_wait:1ms", "--burst", "0"),
    "no connections": ("io_wait:1ms", "--connections", "0"),
    "no repeats": ("io_wait:1ms", "--repeats", "0"),
    "no repeats, as JSON": ("io_wait:1ms", "--repeats", "0", "--json"),
    "network that is none": ("io_wait:1ms", "--network", "fast"),
    "network with more jitter than delay": ("io_wait:1ms", "--network", "1ms,2ms"),
    "negative seed": ("io_wait:1ms", "--seed", "-1"),
    "app for the lab's own work": ("io_wait:1ms", "--app", "wrong_jobs:right"),
    "data that is not JSON": ("wrong_jobs:right", "--data", "{'a': 1}"),
    "data for the lab's own work": ("io_wait:1ms", "--data", "1"),
    "data for the example job": ("prices", "--data", "1"),
    "folder that is a file": ("io_wait:1ms", "--out", "wrong_jobs.py"),
}

#: The same, in the process of the reader's code.
WRONG_THERE = {
    "module that is not there": ("no_such_module:price",),
    "function that is not there": ("wrong_jobs:price",),
    "not a function": ("wrong_jobs:some",),
    "function that raises": ("wrong_jobs:raises",),
    "function that gives a set": ("wrong_jobs:gives_a_set",),
    "function that wants two arguments": ("wrong_jobs:wants_two",),
    "asynchronous function": ("wrong_jobs:waits",),
    "app that cannot be made": ("wrong_jobs:right", "--app", "wrong_jobs:raises"),
    "app that is not there": ("wrong_jobs:right", "--app", "wrong_jobs:create_app"),
    "app without a colon": ("wrong_jobs:right", "--app", "wrong_jobs"),
    "function that cannot go to another process": ("wrong_jobs:locked", "--strategies", "process-pool"),
}


@pytest.mark.parametrize("case", [*WRONG, *(pytest.param(case, marks=pytest.mark.measured) for case in WRONG_THERE)])
def test_wrong_usage_is_one_line_and_nothing_is_written(case, here, monkeypatch):
    (here / "wrong_jobs.py").write_text(MODULE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # What is not refused must not be measured for real here; what only measuring refuses still is.
    monkeypatch.setattr(compare, "measure", lambda *arguments, **settings: simulated.run())
    assert_is_refused(labkit("compare", *{**WRONG, **WRONG_THERE}[case]))
    assert written(here) == ["wrong_jobs.py"]


def test_a_folder_with_earlier_runs_is_refused_and_left_as_it_is(here):
    simulated.comparison({"inline": {}}).save(here / "earlier")
    before = written(here / "earlier")
    result = labkit("compare", "io_wait:1ms", "--out", "earlier")
    assert_is_refused(result)
    assert "earlier" in result.stderr
    assert written(here / "earlier") == before


# --- exit codes, and what is kept ---

QUICK = ("compare", "io_wait:1ms", "--events", "3", "--out", "X")


def test_a_measurement_without_fault_is_exit_code_0(measured):
    measured(simulated.run(), simulated.run("thread"))
    assert labkit(*QUICK).exit_code == 0


@pytest.mark.parametrize("fault", [{"timed out": 1}, {"disconnected": 1}, {"unaccounted": 1}])
def test_events_that_were_lost_are_exit_code_1(fault, measured):
    measured(simulated.run(), simulated.run("thread", outcomes=fault))
    assert labkit(*QUICK).exit_code == 1


def test_a_run_that_is_invalid_is_exit_code_1(measured):
    measured(simulated.run(own_ms=100, late_ms=90))
    result = labkit(*QUICK)
    assert result.exit_code == 1
    assert "INVALID" in result.stdout


@pytest.mark.parametrize("outcome", ["failed", "shed", "wrong"])
def test_an_answer_that_is_no_success_is_measured_and_counted(outcome, measured):
    """The caller heard of it, so nothing is lost, and goodput says the rest."""
    measured(simulated.run(outcomes={outcome: 4}))
    result = labkit(*QUICK, "--json")
    summary = json.loads(result.stdout)["strategies"][0]
    assert result.exit_code == 0
    assert (summary["outcomes"][outcome], summary["lost"]) == (4, 0)
    assert summary["goodput"] < 1


def test_a_failure_after_the_first_run_keeps_what_was_measured(here, measured):
    measured(simulated.run(), ServerError("the server did not stop: wait, and run it again"))
    result = labkit(*QUICK)
    assert result.exit_code == 1
    assert "Failed after 1 run, which is kept: the server did not stop" in result.stdout
    assert {"overview.png", "summary.json"} <= set(written(here / "X"))
    assert [run.strategy for run in Comparison.load(here / "X").runs] == ["inline"]


def test_a_failure_before_the_first_run_is_one_line(here, measured):
    measured(ServerError("the server did not start: free its port"))
    assert_is_refused(labkit(*QUICK), code=1)
    assert written(here) == []


def test_an_interrupt_before_the_first_run_says_that_nothing_was_kept(here, measured):
    measured(KeyboardInterrupt())
    result = labkit(*QUICK)
    assert result.exit_code == 130
    assert "nothing was kept" in result.stderr
    assert written(here) == []


def test_an_interrupt_keeps_what_was_measured(here, measured):
    measured(simulated.run(), simulated.run("thread"), KeyboardInterrupt())
    result = labkit(*QUICK)
    assert result.exit_code == 130
    assert "Interrupted after 2 runs, which are kept" in result.stdout
    assert "Runs:   X" in result.stdout
    assert len(Comparison.load(here / "X").runs) == 2


def test_an_interrupt_leaves_json_on_standard_output(measured):
    measured(simulated.run(), KeyboardInterrupt())
    result = labkit(*QUICK, "--json")
    assert json.loads(result.stdout)["scope"].startswith("interrupted after 1 run, which is kept")


def test_an_interrupt_before_anything_was_prepared_is_exit_code_130(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("labkit.plan.targets.parse", interrupted)
    assert labkit(*QUICK).exit_code == 130


@pytest.mark.measured
def test_answers_that_cannot_be_checked_are_said_to_be_so(here, measured):
    (here / "random_jobs.py").write_text("import os\ndef roll():\n    return os.urandom(8).hex()\n")
    measured(simulated.run())
    assert "Answers are not checked" in labkit("compare", "random_jobs:roll", "--out", "X").stdout


def test_without_a_folder_results_go_to_one_named_by_time(here, measured):
    measured(simulated.run())
    assert labkit(*QUICK[:-2]).exit_code == 0
    assert written(here) == ["labkit-results"]
    assert "summary.json" in written(next((here / "labkit-results").iterdir()))


def test_the_diagnosis_comes_first_and_the_recommendation_last(measured):
    measured(simulated.run(own_ms=50), simulated.run("thread", own_ms=900))
    shown = " ".join(labkit(*QUICK).stdout.split())
    assert shown.startswith("io_wait:1ms computes in Python and holds the GIL: threads can't help, processes can.")
    assert "Write inline, the only one that holds (nothing to add)." in shown
    assert shown.index("Its code: labkit show inline.") > shown.index("verdict: tail up to")


def test_json_has_both(measured):
    measured(simulated.run(own_ms=50), simulated.run("thread", own_ms=900))
    about = json.loads(labkit(*QUICK, "--json").stdout)
    assert about["diagnosis"]["work"] == "io_wait:1ms"
    assert about["recommendation"]["strategy"] == "inline"
    assert about["recommendation"]["rejected"] == {"thread": "callers 900 ms (max)"}


# --- load that lasts ---


@pytest.fixture
def order(measured, monkeypatch):
    """What would be measured; the runs are made by hand."""
    found = []
    measured(simulated.run(), simulated.run("thread"))
    by_hand = Ordered.runs
    monkeypatch.setattr(Ordered, "runs", lambda order: found.append(order) or by_hand(order))
    return found


LOAD = (
    "compare",
    "io_wait:20ms",
    "--strategies",
    "inline,thread",
    "--repeats",
    "1",
    "--connections",
    "10",
    "--out",
    "X",
)


def test_a_load_is_a_rate_that_follows_from_what_an_event_costs(order):
    result = labkit(*LOAD, "--load", "0.9")
    shown = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "45/s Poisson for 5 s, seed 0, from 10 clients, 90% of what one at a time can do" in shown
    (asked,) = order
    assert (len(asked.plan), asked.plan.connections) == (225, 10)
    for _, settings, _ in asked.turns:
        assert (settings["window_s"], settings["timeout_s"], settings["mode"]) == (5, 15, "threading")
        assert len(settings["expected"].payloads) == 225


def test_a_load_of_work_that_computes_is_of_one_core(order, monkeypatch):
    numbers = tuple(range(20))
    alone = calibration.Expected(numbers, numbers, True, (100.0,) * 20, (100.0,) * 20)
    monkeypatch.setattr(offered, "calibrated", lambda work, seed: alone)
    shown = labkit(*LOAD[:1], "cpu:100ms", *LOAD[2:], "--load", "0.9").stdout
    assert "9/s Poisson for 5 s, seed 0, from 10 clients, 90% of one core" in " ".join(shown.split())
    assert len(order[0].plan) == 45


def test_a_load_lasts_as_long_as_is_said(order):
    labkit(*LOAD, "--load", "1.5", "--seconds", "2", "--seed", "7")
    assert order[0].plan.name == "75/s Poisson for 2 s, seed 7, from 10 clients"
    assert len(order[0].plan) == 150
    assert {settings["timeout_s"] for _, settings, _ in order[0].turns} == {5 + 2 * 2 * 1.5}


def test_the_load_is_in_the_json_and_null_without(order, here):
    found = json.loads(labkit(*LOAD, "--load", "0.9", "--json").stdout)
    assert found["load"] == 0.9
    assert "90% of what one at a time can do" in found["scope"]
    assert json.loads(labkit(*LOAD[:-1], "Y", "--json").stdout)["load"] is None


def test_an_interrupt_keeps_what_was_measured_under_load(here, measured):
    measured(simulated.run(), KeyboardInterrupt())
    result = labkit(*LOAD, "--load", "0.9")
    assert result.exit_code == 130
    assert "Interrupted after 1 run, which is kept" in result.stdout
    assert len(Comparison.load(here / "X").runs) == 1


def test_the_example_job_under_load_says_how_long_it_takes(order, monkeypatch):
    machine(monkeypatch, 80)
    shown = " ".join(labkit("compare", "--load", "0.9", "--connections", "10", "--out", "X").stdout.split())
    # Eight strategies for 5 s each, and what is around them: 3 runs would take more than the 50 s of patience.
    assert "1 run of each strategy: about 48 s, since 3 would take 136 s (--repeats 3)" in shown
    assert len(order[0].plan) == round(0.9 / 0.080 * 5)


@pytest.mark.measured
def test_a_real_load_is_measured_for_as_long_as_it_lasts(here):
    done = real(
        "compare", "io_wait:20ms", "--load", 0.9, "--seconds", 1, "--connections", 5, "--strategies", "inline,thread",
        "--repeats", 1, "--json", "--out", here / "X",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["load"], found["events"]) == (0.9, 45)
    assert [s["outcomes"]["answered"] for s in found["strategies"]] == [45, 45]
    for run in Comparison.load(here / "X").runs:
        assert run.conditions.window_s == 1
        assert run.plan.connections == 5
        assert run.conditions.duration_s < 3  # a second, the last answer, and a moment for strays


# --- the example job, where nobody names another ---


@dataclass
class Machine:
    """What the command asked of a machine: sizes of the job, calibrations."""

    sizes: list
    calibrations: list


def machine(monkeypatch, whole_ms):
    """As if one event that looks at the whole history took so many ms here; answers are the real ones."""
    asked, size_for, expect = Machine([], []), prices.size_for, calibration.expect

    def sized(event_ms, timed_ms=None):
        asked.sizes.append(size_for(event_ms, lambda call: whole_ms * (300 - 49) / 875))
        return asked.sizes[-1]

    def calibrated(work, count, seed):
        asked.calibrations.append(expect(work, count, seed))
        event_ms = asked.sizes[-1].event_ms if asked.sizes else whole_ms
        return replace(asked.calibrations[-1], service_ms=(event_ms,) * count)

    monkeypatch.setattr(prices, "size_for", sized)
    monkeypatch.setattr(calibration, "_expect_once", calibrated)
    return asked


def test_on_a_usual_machine_the_example_job_looks_at_everything(measured, monkeypatch):
    machine(monkeypatch, 80)
    measured(*[simulated.run()] * 3)
    shown = " ".join(labkit("compare", "--strategies", "inline", "--out", "X").stdout.split())
    assert shown.startswith("One event costs about 80 ms here: the job looks at all 1,047 days of prices. 3 runs of ")
    assert {run.work for run in Comparison.load("X").runs} == {"prices"}


def test_on_a_slow_machine_the_example_job_looks_at_less_and_the_first_lines_say_so(measured, monkeypatch):
    machine(monkeypatch, 400)
    measured(*[simulated.run()] * 3)
    shown = " ".join(labkit("compare", "--out", "X").stdout.split())
    assert shown.startswith(
        "One event costs about 92 ms here, so the job looks at 250 days of prices (at all of them it would cost "
        "400 ms). 1 run of each strategy: about 35 s, since 3 would take 97 s (--repeats 3)."
    )
    assert {run.work for run in Comparison.load("X").runs} == {"prices:250days"}


def test_the_answers_of_the_sized_job_are_checked_and_its_calibration_is_made_once(measured, monkeypatch):
    asked = machine(monkeypatch, 400)
    measured(simulated.run())
    assert "not checked" not in labkit("compare", "--strategies", "inline", "--out", "X").stdout
    (expected,) = asked.calibrations
    assert expected.checked
    assert all(answer["like"] for answer in expected.answers)


def test_whoever_names_the_job_gets_all_of_it(measured, monkeypatch):
    asked = machine(monkeypatch, 400)
    measured(simulated.run())
    shown = labkit("compare", "prices", "--strategies", "inline", "--out", "X").stdout
    assert asked.sizes == []
    assert "One event costs" not in shown
    assert {run.work for run in Comparison.load("X").runs} == {"prices"}


@pytest.mark.parametrize(("arguments", "runs"), [((), 10), (("--repeats", 3), 30), (("prices",), 30)])
def test_whoever_names_repeats_or_a_job_gets_as_many(arguments, runs, measured, monkeypatch):
    machine(monkeypatch, 400)
    measured(simulated.run())
    result = labkit("compare", *arguments, "--out", "X")
    assert f"1 of {runs} runs" in result.stdout


def test_the_first_run_of_the_example_job_is_on_screen_before_the_diagnosis(measured, monkeypatch):
    machine(monkeypatch, 80)
    measured(simulated.run(), simulated.run())
    shown = labkit("compare", "--out", "X").stdout
    assert shown.index("[1 of 30 runs]") < shown.index("prices computes in Python") < shown.index("[2 of 30 runs]")
    assert shown.count("computes in Python and holds the GIL") == 2  # there, and in the recommendation


# --- two at once ---


@pytest.mark.measured
def test_two_that_begin_in_one_second_write_into_two_folders(here):
    """For real: each has its own folder, and nothing of the other in it."""
    command = [LABKIT, "compare", "io_wait:1ms", "--events", "2", "--strategies", "inline", "--repeats", "1", "--json"]
    both = [subprocess.Popen([*command, "--seed", seed], stdout=subprocess.PIPE, text=True) for seed in "12"]
    told = [json.loads(each.communicate(timeout=60)[0]) for each in both]
    folders = [here / about["folder"] for about in told]
    assert len({*folders}) == 2
    for seed, folder, about in zip((1, 2), folders, told, strict=True):
        assert json.loads((folder / "summary.json").read_text()) == about
        assert [run.plan.seed for run in Comparison.load(folder).runs] == [seed]


def test_a_second_one_within_the_same_second_gets_the_next_name(here, measured, monkeypatch):
    monkeypatch.setattr("labkit.base.clock.folder_stamp", lambda: "NOW")
    for _ in range(2):
        measured(simulated.run())
        assert labkit(*QUICK[:-2]).exit_code == 0
    assert written(here / "labkit-results") == ["NOW", "NOW_2"]


# --- for real ---


@pytest.mark.measured
def test_a_real_comparison_inside_an_app_with_data_of_a_file(here):
    (here / "shop.py").write_text(
        "from flask import Flask, current_app\n"
        "def create_app():\n    app = Flask('shop')\n    app.config['RATE'] = 3\n    return app\n"
        "def price(order):\n    return order['n'] * current_app.config['RATE']\n"
    )
    (here / "orders.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    done = real(
        *("compare", "shop:price", "--app", "shop:create_app", "--data", "orders.jsonl", "--events", 4),
        *("--strategies", "inline,process-pool", "--repeats", 1, "--out", "X", "--json"),
    )
    result = json.loads(done.stdout)
    assert [s["outcomes"]["answered"] for s in result["strategies"]] == [4, 4], done.stderr
    assert result["diagnosis"]["work"] == "shop:price"
    assert "recommendation" in result


@pytest.mark.measured
def test_a_real_comparison_as_json(here):
    done = real(
        *("compare", "io_wait:50ms", "--events", 3, "--strategies", "inline,thread"),
        *("--repeats", 1, "--out", "X", "--json"),
    )
    result = json.loads(done.stdout)
    assert done.returncode == (0 if result["valid"] else 1), done.stderr
    assert [s["name"] for s in result["strategies"]] == ["inline", "thread"]
    assert [s["outcomes"]["answered"] for s in result["strategies"]] == [3, 3]
    assert "[2 of 2 runs]" in done.stderr
    files = written(here / "X")
    assert [name.rpartition(".")[2] for name in files if name.startswith("run-")] == ["json", "npz"] * 2
    assert {name for name in files if not name.startswith("run-")} == {
        "comparison.json",
        "overview.png",
        "summary.json",
    }
    assert json.loads((here / "X" / "summary.json").read_text()) == result
    assert (here / "X" / "overview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.measured
def test_a_real_comparison_of_a_function_of_the_working_directory(here):
    (here / "jobs.py").write_text("import time\ndef price(number):\n    time.sleep(0.05)\n    return [number]\n")
    done = real(
        *("compare", "jobs:price", "--rate", 100, "--events", 4, "--strategies", "thread"),
        *("--repeats", 1, "--out", "X"),
    )
    assert done.returncode == (1 if "INVALID" in done.stdout else 0), done.stderr
    assert done.stderr == ""
    assert "100/s for 4 events from 4 clients; jobs:price" in done.stdout
    assert "100%" in done.stdout
    assert f"Figure: {Path('X') / 'overview.png'}" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert [run.work for run in Comparison.load(here / "X").runs] == ["jobs:price"]


def session(leader):
    """The processes of a session that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # it has just ended
    return found


@pytest.mark.measured
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups that take a Ctrl-C")
@pytest.mark.parametrize("strategies", ["inline,thread", "process-pool"])
def test_a_real_ctrl_c_keeps_what_was_measured_and_leaves_no_process(strategies, here):
    with taking_interrupts():
        running = subprocess.Popen(
            [LABKIT, "compare", "cpu:30ms", "--events=8", f"--strategies={strategies}", "--repeats=99", "--out=X"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    try:
        assert wait_until(lambda: list((here / "X").glob("run-*0-*.json")), timeout_s=30)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert "Traceback" not in out + err
    assert running.returncode == 130
    assert "kept" in out
    assert "Runs:   X" in out
    kept = Comparison.load(here / "X").runs
    assert {"overview.png", "summary.json"} <= set(written(here / "X"))
    assert f"Interrupted after {len(kept)} run" in out
    assert wait_until(lambda: session(running.pid) == [], timeout_s=5), session(running.pid)


# --- what the reader's code prints ---


@pytest.mark.measured
@pytest.mark.parametrize("mode", ["threading", "gevent"])
def test_what_the_readers_code_prints_is_kept_apart_and_standard_output_is_one_object(here, mode):
    (here / "chatty.py").write_text(
        "import os\nprint('hello')\ndef label(n):\n    os.write(1, b'called\\n')\n    return n\n"
    )
    arguments = ("--events", 2, "--strategies", "inline", "--repeats", 1, "--mode", mode, "--out", here / "X")
    done = real("compare", "chatty:label", "--json", *arguments)
    output = Path(json.loads(done.stdout)["output"])
    assert output.read_text().splitlines()[:2] == ["hello", "called"]
    assert "called\n" not in done.stderr


# --- how often it is called, and what it keeps ---


def named(monkeypatch, function, place=None):
    """Stand-in for the process of the reader's code: its function is called here."""

    def work(target, payloads, app, mode):
        return replace(call(function, payloads), name=target, place=place)

    monkeypatch.setattr("labkit.ui.commands.session.named", work)


def test_how_often_a_function_would_be_called_is_said_and_it_is_not(here, monkeypatch):
    called = []
    named(monkeypatch, called.append)
    shown = " ".join(labkit("compare", "shop:price", "--events", 4, "--calls").stdout.split())
    assert shown.startswith("shop:price is called up to 6 times for its answers")
    assert shown.endswith("then in each run 2 times to warm up and 4 times.")
    assert called == []
    assert written(here) == []


def test_the_labs_own_work_costs_nobody_a_call():
    assert labkit("compare", "cpu:1ms", "--calls").stdout == (
        "cpu:1ms is the lab's own work, and no function of yours is called.\n"
    )


class Place:
    """Stand-in for where a function is imported: jobs are done here."""

    is_renewed = False

    def run(self, job, work, *args, **kwargs):
        return job(replace(work, place=None), *args, **kwargs)

    def keep_output(self, path):
        return 0


def test_work_that_keeps_state_begins_each_run_anew_and_says_so(measured, monkeypatch):
    numbers = iter(range(1000))
    place = Place()
    named(monkeypatch, lambda payload: next(numbers), place)
    measured(simulated.run())
    shown = " ".join(labkit("compare", "shop:draw", "--strategies", "inline", "--out", "X").stdout.split())
    assert "It keeps something from call to call, so each run begins in a process of its own." in shown
    assert place.is_renewed


def test_work_that_keeps_nothing_stays_where_it_is(measured, monkeypatch):
    place = Place()
    named(monkeypatch, lambda payload: payload, place)
    measured(simulated.run())
    assert "each run begins" not in labkit("compare", "shop:same", "--strategies", "inline", "--out", "X").stdout
    assert not place.is_renewed
