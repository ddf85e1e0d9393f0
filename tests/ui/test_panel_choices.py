"""What is chosen, what of it can't go together, and code that says the same: run, it asks for the same comparison."""

import math
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lab
from labkit import plots
from labkit.base.errors import UsageError
from labkit.plan import calibration
from labkit.plan.modes import MODES
from labkit.strategies import NAMES
from labkit.ui.panel_choices import KINDS, PLANS, Choices

#: Those that this Python has.
STRATEGIES = [name for name in NAMES if sys.version_info >= lab.strategy(name).needs_python]

#: The number that the panel begins with makes do with as many clients as there are events.
ROOM = 10

any_choices = st.builds(
    Choices,
    strategies=st.lists(st.sampled_from(STRATEGIES), unique=True).map(tuple),
    mode=st.sampled_from(list(MODES)),
    kind=st.sampled_from(list(KINDS)),
    work_ms=st.floats(0.1, 10_000) | st.integers(1, 500),
    plan=st.sampled_from(list(PLANS)),
    events=st.integers(1, 300),
    rate_hz=st.floats(0.1, 5_000),
    connections=st.just(ROOM) | st.integers(1, 200),
    repeats=st.integers(1, 50),
).filter(lambda choices: choices.connections == ROOM or choices.connections <= choices.events)


def asked_for(code):
    """What `lab.compare` was given by code, which is run with the real everything else."""
    asked = []

    def compare(strategies, work, plan, **settings):
        asked.append((strategies, work, plan, settings))
        return "a comparison"

    names = {name: getattr(lab, name) for name in lab.__all__} | {"compare": compare}
    drawn = []
    kept = {
        "import labkit as lab\n": SimpleNamespace(**names),
        "from labkit import plots\n": SimpleNamespace(overview=drawn.append),
    }
    for line in kept:
        assert line in code
        code = code.replace(line, "")
    exec(code, {"lab": kept["import labkit as lab\n"], "plots": kept["from labkit import plots\n"]})
    assert drawn == ["a comparison"]
    (only,) = asked
    return only


@given(any_choices)
def test_the_code_asks_for_what_is_chosen(choices):
    strategies, work, plan, settings = asked_for(choices.code)
    assert tuple(strategies) == choices.strategies
    assert (work.kind, work.ms) == (choices.kind, choices.work_ms)
    assert plan.to_dict() == choices.schedule.to_dict()
    assert settings == choices.settings
    assert settings.get("mode", "threading") == choices.mode
    assert settings["repeats"] == choices.repeats


@given(any_choices)
def test_work_and_schedule_are_what_is_chosen(choices):
    assert (choices.work.kind, choices.work.ms) == (choices.kind, choices.work_ms)
    assert len(choices.schedule) == choices.events
    assert choices.schedule.connections == min(choices.connections, choices.events)
    assert (choices.schedule.rate_hz is None) == (choices.plan == "burst" or choices.events == 1)
    assert ("Poisson" in choices.schedule.name) == (choices.plan == "poisson")


@given(any_choices)
def test_what_the_code_names_exists(choices):
    compile(choices.code, "a cell", "exec")
    assert callable(plots.overview)
    assert {"compare", "burst", "constant", "poisson", *KINDS} <= set(lab.__all__)


@given(any_choices)
def test_a_problem_is_told_where_the_mode_has_no_place_for_a_strategy_or_for_so_many_clients_and_only_there(choices):
    foreign = [name for name in choices.strategies if choices.mode not in lab.strategy(name).modes]
    most = MODES[choices.mode].connections_at_most or math.inf
    if not choices.strategies:
        assert choices.problem == "there is no strategy to measure: name at least one"
    elif choices.schedule.connections + 2 > most and choices.strategies[0] not in foreign:
        assert choices.problem.startswith(f"mode {choices.mode} holds {most} connections at once, ")
    elif foreign:
        assert choices.problem.startswith(f"{foreign[0]} cannot run in mode {choices.mode!r}, only in ")
    else:
        assert choices.problem == ""


def test_a_strategy_of_a_newer_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 9, "final", 0))
    assert Choices(("interpreter-pool",)).problem.startswith("interpreter-pool needs Python 3.14, and this is ")


def test_to_look_for_a_problem_costs_no_call_of_the_work(monkeypatch):
    """It is looked for whenever a widget changes: ten seconds of work must not be done then."""
    called = []
    monkeypatch.setattr(calibration, "expect", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(calibration, "_expect_once", lambda *arguments: called.append(arguments))
    assert Choices(("inline",), kind="cpu_nogil", work_ms=9_999).problem == ""
    assert called == []


def test_code_reads_as_people_write_it():
    assert Choices(("inline", "thread"), work_ms=20.0, plan="poisson", rate_hz=7.5, connections=2).code == (
        "import labkit as lab\n"
        "from labkit import plots\n"
        "\n"
        "result = lab.compare(\n"
        '    ["inline", "thread"],\n'
        "    lab.cpu(ms=20),\n"
        "    lab.poisson(rate_hz=7.5, events=10, connections=2),\n"
        "    repeats=3,\n"
        ")\n"
        "figure = plots.overview(result)\n"
        "result\n"
    )


def test_a_mode_is_written_where_it_is_not_the_usual_one():
    assert 'repeats=3, mode="gevent",\n' in Choices(("inline",), "gevent").code


def test_a_run_takes_the_plan_and_the_work_of_one_server():
    assert Choices(events=11, plan="constant", rate_hz=10, work_ms=100).run_s == pytest.approx(1 + 1.1)


def test_runs_are_counted():
    assert Choices(("inline", "thread"), repeats=4).runs == 8


@pytest.mark.parametrize("wrong", [{"kind": "gpu"}, {"plan": "ramp"}])
def test_an_unknown_kind_or_plan_is_refused(wrong):
    with pytest.raises(UsageError, match="choose from"):
        Choices(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"repeats": 0}, "repeats"), ({"work_ms": 0}, "ms"), ({"events": 0}, "1 or more")]
)
def test_what_makes_no_sense_is_a_problem_in_a_sentence(wrong, said):
    assert said in Choices(**wrong).problem
