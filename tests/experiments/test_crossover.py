"""The crossover map, on a machine in which it is known who holds, both ways; its folder; what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import labkit as lab
from labkit.base.errors import LabError, RecordError, ServerError, StrategyError, UsageError
from labkit.experiments import crossover_runs
from labkit.experiments.crossover import Crossover
from labkit.experiments.crossover_runs import survey
from labkit.plan.calibration import Expected
from labkit.plan.hop import Hop
from labkit.runs.holding import BREAKS, HOLDS, UNKNOWN
from labkit.scale import redis_server
from tests.support.crossed import HOPS, World
from tests.support.damage import damage
from tests.support.helpers import swallowed

ALL = ("inline", "process-pool", "celery")


def alone(work, seed=0):
    return Expected(tuple(range(5)), tuple(range(5)), True, (work.ms,) * 5, (work.ms,) * 5)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Work costs what it is asked to, and no Redis is needed to ask."""
    monkeypatch.setattr(crossover_runs, "calibrated", alone)
    monkeypatch.setattr(redis_server, "require_named", lambda: None)


def small(world=None, *, save_to=None, progress=None, **asked):
    usual = {"strategies": ALL, "service_ms": (5, 20), "load": (0.3, 1.5), "workers": (1, 2)}
    return survey(**{**usual, **asked}).measure(progress, save_to, measured=(world or World()).measured)


FEW = {"strategies": ("inline", "process-pool"), "service_ms": (20,), "load": (0.6, 1.5), "workers": (1,)}


@pytest.fixture(scope="module")
def found():
    """The small map of a world that is as calibrated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossover_runs, "calibrated", alone)
        patch.setattr(redis_server, "require_named", lambda: None)
        return small()


# --- who holds ---


def test_where_the_world_is_as_calibrated_the_model_says_the_same_everywhere(found):
    assert found.is_whole
    assert found.differing == ()
    assert found.holders(5, 0.3, 1) == ALL
    assert found.holders(5, 1.5, 1) == ()  # more than one core, and one worker
    assert found.holders(5, 1.5, 2) == ("process-pool", "celery")
    assert "the model says the same" in repr(found)


def test_where_the_hop_costs_more_under_load_than_alone_the_model_is_seen_to_be_wrong():
    alone, loaded = World(), World()
    loaded.hops["celery"] = Hop(5.0, 1.0, 8.0)

    def measured(*args, **settings):
        return (loaded if "expected" in settings else alone).measured(*args, **settings)

    found = survey(ALL, service_ms=(5, 20), load=(0.3, 1.5), workers=(1, 2)).measure(measured=measured)
    assert {cell.strategy for cell in found.differing} == {"celery"}
    cell = found.grid.cell("celery", 5, 1.5, 2)
    assert (found.word(cell), found.predicted(cell)) == (BREAKS, HOLDS)
    assert found.holders(5, 1.5, 2) == ("process-pool",)
    assert "the model says otherwise in" in found.finding


def test_where_the_model_says_that_it_breaks_and_it_holds_that_is_told_too():
    found = small(World(slower=0.4), **FEW)
    cell = found.grid.cell("inline", 20, 1.5, 1)
    assert (found.word(cell), found.predicted(cell)) == (HOLDS, BREAKS)
    assert cell in found.differing
    assert "inline, 20 ms at 150%" in found.to_dict()["differing"]


def test_one_event_that_is_never_answered_breaks_a_cell():
    found = small(World(loses=1), **FEW)
    assert set(map(found.word, found.grid.cells)) == {BREAKS}


def test_what_too_few_events_cannot_tell_is_said_and_no_difference():
    found = small(events=40, least_s=0.5, **FEW)
    few = [cell for cell, run in found.runs.items() if len(run) < 150 and found.word(cell) != BREAKS]
    assert few
    assert {found.word(cell) for cell in few} == {UNKNOWN}
    assert not set(few) & set(found.differing)
    assert "cannot tell" in repr(found)
    assert "a p98 takes 150" in repr(found)


def test_the_bystander_stands_beside(found):
    words = {cell.strategy: found.bystander[cell].word for cell in found.grid.cells}
    assert words == {"inline": BREAKS, "process-pool": HOLDS, "celery": HOLDS}


def test_a_busy_machine_is_part_of_the_finding(found):
    assert "busy" not in found.finding
    conditions = {cell: replace(run.conditions, spare_cpu=(0.3, 1.0)) for cell, run in found.runs.items()}
    runs = {cell: replace(run, conditions=conditions[cell]) for cell, run in found.runs.items()}
    assert (
        found.finding + ". The machine was busy: what breaks here may hold at rest" == replace(found, runs=runs).finding
    )


# --- what is measured ---


def test_every_cell_gets_the_arrivals_of_its_load_and_a_strategy_without_workers_is_measured_once():
    world = World()
    found = small(world)
    cells = [each for each in world.asked if "expected" in each[4]]
    assert len(cells) == len(found.grid.cells) == 4 + 8 + 8
    for work, load in (("cpu:5ms", 0.3), ("cpu:20ms", 1.5)):
        rate = load / found.alone.service_ms[float(work[4:-2])] * 1000
        plans = {
            plan.intended_ns.tobytes()
            for _, _, name, plan, _ in cells
            if name == work and abs(plan.rate_hz / rate - 1) < 0.2
        }
        assert len(plans) == 1
    assert all(len(plan) >= 150 and settings["window_s"] >= 3 for _, _, _, plan, settings in cells)


def test_cells_come_in_an_order_that_a_seed_draws():
    orders = []
    for seed in (0, 0, 1):
        world = World()
        small(world, **{**FEW, "seed": seed, "service_ms": (5, 20, 40)})
        orders.append([(*each[:3], len(each[3])) for each in world.asked])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    assert orders[0][2:] != sorted(orders[0][2:])


def test_what_a_hop_costs_is_what_the_calibration_saw(found):
    for name, hop in found.alone.hops.items():
        assert (hop.path_ms, hop.server_ms, hop.worker_ms) == pytest.approx(
            (HOPS[name].path_ms, HOPS[name].server_ms, HOPS[name].worker_ms), abs=1e-3
        )


# --- the folder ---


def stopping(world, after, error):
    left = iter(range(after + len(ALL)))

    def measured(*args, **kwargs):
        if next(left, None) is None:
            raise error
        return world.measured(*args, **kwargs)

    return measured


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ServerError("it broke")])
def test_an_interrupted_map_goes_on_where_it_stopped(tmp_path, error):
    asked = survey(ALL, service_ms=(5,), load=(0.3, 1.5), workers=(1,))
    with pytest.raises(type(error)) as raised:
        asked.measure(save_to=tmp_path / "X", measured=stopping(World(), 4, error))
    if isinstance(error, LabError):
        assert raised.value.__notes__ == [
            f"the 4 cells that were measured before are in {tmp_path / 'X'}, and go on there"
        ]
    half = Crossover.load(tmp_path / "X")
    assert (len(half.runs), half.is_whole) == (4, False)
    assert "2 of 6 cells are not measured yet" in repr(half)
    world, told = World(), []
    whole = asked.measure(lambda *news: told.append(news[:2]), tmp_path / "X", measured=world.measured)
    assert told == [(5, 6), (6, 6)]
    assert len(world.asked) == 2  # nothing is calibrated again either
    at_once = asked.measure(measured=World().measured)
    assert repr(whole) == repr(at_once) == repr(Crossover.load(tmp_path / "X"))


def test_an_interrupt_that_python_swallows_ends_it_after_the_cell():
    told = []

    def tell(*news):
        told.append(news)
        swallowed(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        small(progress=tell, **FEW)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"bound_ms": 100}, "bound_ms 200.0, not 100.0"),
        ({"load": (0.6, 0.9)}, "loads 0.6/1.5, not 0.6/0.9"),
        ({"strategies": ("inline",)}, "strategies inline/process-pool, not inline"),
        ({"seed": 1}, "seed 0, not 1"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(tmp_path, other, says):
    small(save_to=tmp_path, **FEW)
    world = World()
    with pytest.raises(UsageError, match=says):
        small(world, save_to=tmp_path, **{**FEW, **other})
    assert world.asked == []


def test_another_machine_and_another_kind_of_folder_are_refused(tmp_path):
    small(save_to=tmp_path / "X", **FEW)
    about = json.loads((tmp_path / "X" / "crossover.json").read_text())
    about["alone"]["machine"]["cores"] = 64
    (tmp_path / "X" / "crossover.json").write_text(json.dumps(about))
    with pytest.raises(UsageError, match="cores 64, not"):
        small(save_to=tmp_path / "X", **FEW)
    (tmp_path / "Y").mkdir()
    (tmp_path / "Y" / "run-00000-inline.json").write_text("{}")
    with pytest.raises(UsageError, match="holds other runs"):
        small(save_to=tmp_path / "Y", **FEW)
    (tmp_path / "Z").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        small(save_to=tmp_path / "Z", **FEW)
    with pytest.raises(RecordError, match=r"there is no crossover\.json"):
        Crossover.load(tmp_path)


def test_a_file_of_another_cell_is_found_out(tmp_path):
    two = {**FEW, "strategies": ("process-pool",), "load": (0.6,), "workers": (1, 2)}
    small(save_to=tmp_path, **two)
    for ending in ("json", "npz"):
        first, second = (tmp_path / f"cell-process-pool-{n}-20ms-load-0-6.{ending}" for n in (1, 2))
        shutil.copy(first, second)
    with pytest.raises(RecordError, match=r"another one.*remove .*process-pool-2.*measured again"):
        small(save_to=tmp_path, **two)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossover_runs, "calibrated", alone)
        asked = survey(("inline", "process-pool"), service_ms=(20,), load=(0.9,), workers=(1,))
        asked.measure(save_to=folder, measured=World().measured)
    return folder


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hurt=damage("crossover.json", "cell-inline-20ms-load-0-9.json", "cell-inline-20ms-load-0-9.npz"))
def test_a_damaged_folder_is_one_sentence_or_a_map(kept, tmp_path, hurt):
    name, change = hurt
    folder = tmp_path / "hurt"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    try:
        found = Crossover.load(folder)
    except RecordError:
        return
    assert repr(found)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("side", ["strategies", "service_ms", "loads", "workers"])
def test_a_map_without_a_side_is_damaged(kept, tmp_path, side):
    told = json.loads((kept / "crossover.json").read_text())
    told["grid"][side] = []
    (tmp_path / "crossover.json").write_text(json.dumps(told))
    with pytest.raises(RecordError, match="damaged"):
        Crossover.load(tmp_path)


# --- what is refused ---


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"strategies": []}, "no strategy"),
        ({"strategies": ("inline", "inline")}, "two strategies have one name"),
        ({"strategies": [lab.strategy("process-pool", workers=2)]}, "leave them out"),
        ({"service_ms": ()}, "service_ms is empty"),
        ({"service_ms": (0,)}, "is a number above 0"),
        ({"service_ms": (5, 5)}, "twice"),
        ({"service_ms": "5"}, "is a number above 0"),
        ({"load": (90,)}, "is it a percentage"),
        ({"load": (float("nan"),)}, "is a number above 0"),
        ({"workers": (1.5,)}, "whole numbers"),
        ({"workers": (0,)}, "above 0"),
        ({"bound_ms": 0}, "bound_ms must be above 0"),
        ({"bound_ms": float("nan")}, "bound_ms must be above 0"),
        ({"events": 0}, "10 events or more"),
        ({"connections": 0}, "1 client or more"),
        ({"most_s": 1}, "raise most_s"),
        ({"service_ms": (60_000,)}, "raise most_s, or ask for shorter work"),
        ({"service_ms": (0.01,), "load": (1.5,)}, "cannot send so many"),
        ({"mode": "telepathy"}, "unknown mode"),
        ({"mode": "asgi"}, "cannot run in mode"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(asked, says):
    with pytest.raises(UsageError, match=says):
        survey(**asked)


def test_a_single_value_is_a_side_of_one():
    grid = survey("process-pool", service_ms=5, load=0.9, workers=2).grid
    assert (grid.service_ms, grid.loads, grid.workers) == ((5.0,), (0.9,), (2,))


def test_an_unknown_strategy_is_refused():
    with pytest.raises(StrategyError, match="unknown strategy"):
        survey("magic")


def test_a_strategy_that_does_not_answer_has_no_hop():
    world = World()

    def deaf(strategy, work, plan, **settings):
        run = world.measured(strategy, work, plan, **settings)
        run.events["outcome"].setflags(write=True)
        run.events["outcome"][:] = 4
        return run

    with pytest.raises(UsageError, match="its hop is unknown"):
        survey("inline").measure(measured=deaf)


# --- as it is shown ---


def test_table_json_and_dataframe_have_every_cell(found):
    json.dumps(told := found.to_dict(), allow_nan=False)
    assert len(told["cells"]) == len(found.table()) == len(found.grid.cells)
    assert len(found._repr_html_().split("<tr>")) == 1 + 1 + 8
    with pytest.raises(UsageError, match="the map has no"):
        found.holders(7, 0.3, 1)


@pytest.mark.measured
def test_a_real_map_of_one_cell(tmp_path, monkeypatch):
    monkeypatch.undo()
    asked = {"service_ms": (2,), "load": (0.2,), "workers": (1,), "events": 20, "least_s": 0.5}
    found = lab.crossover("process-pool", **asked, save_to=tmp_path)
    (cell,) = found.grid.cells
    assert found.is_whole
    assert found.runs[cell].unaccounted == 0
    assert found.word(cell) in (UNKNOWN, BREAKS)  # of so few events
    assert np.isfinite(found.predicted_ms[cell])
    hop = found.alone.hops["process-pool"]
    assert hop.server_ms > 0
    assert hop.worker_ms > 0
    assert hop.path_ms > 0
