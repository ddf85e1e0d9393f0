"""A run: what can be told from its stamps, and that its files come back whole or are refused."""

import dataclasses
import io
import json
import math
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.base import files
from labkit.base.errors import RecordError
from labkit.runs.conditions import INSIDE, OUTSIDE, Conditions
from labkit.runs.heartbeats import Heartbeats
from labkit.runs.run import Run
from labkit.runs.run_file import SCHEMA_VERSION
from labkit.runs.stages import DELIVERIES, NEVER, OUTCOMES, SIDE_MARKS, STAGES
from tests.support import simulated

PARTS = ("events", "deliveries", "pings", "samples")

unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


values = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
named = st.dictionaries(st.text(max_size=9), values, max_size=3)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "options": named,
        "parameters": named,
        "tuned": st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=2),
        "stock": st.booleans(),
        "server_cpu_s": st.none() | st.floats(0, 1e3),
        "server_switches": st.none() | st.integers(0, 10**9),
        "heartbeats": st.none()
        | st.builds(Heartbeats, *[st.integers(0, 10**6).map(lambda ms: ms * 1_000_000)] * 3, st.integers(0, 9)),
        "handler_errors": st.lists(st.text(max_size=9), max_size=3).map(tuple),
        "spare_cpu": st.lists(st.floats(0, 1), max_size=2).map(tuple),
        "client": st.sampled_from([INSIDE, OUTSIDE]),
    },
)


@st.composite
def runs(draw):
    """Runs of every kind, as the simulation makes them."""
    outcomes = draw(st.lists(st.sampled_from([*OUTCOMES, "unaccounted"]), min_size=1, max_size=12))
    places = st.integers(0, len(outcomes) - 1)
    return simulated.run(
        draw(st.text(max_size=20)),
        outcomes=outcomes,
        own_ms=draw(st.lists(st.floats(1, 1e5), min_size=len(outcomes), max_size=len(outcomes))),
        bystander_ms=draw(st.lists(st.just(math.inf) | st.floats(0, 1e4), max_size=5)),
        strays=draw(places),
        duplicates=draw(st.integers(0, 3)),
        late=draw(st.integers(0, 3)),
        garbled=draw(st.integers(0, 3)),
        threads=draw(st.none() | st.integers(0, 9)),
        instrumented=draw(st.booleans()),
        messages=draw(st.dictionaries(places, st.text())),
        conditions=draw(conditions),
    )


def assert_same(a, b):
    for part in PARTS:
        assert set(getattr(a, part)) == set(getattr(b, part))
        for column, array in getattr(a, part).items():
            assert array.dtype == getattr(b, part)[column].dtype == np.int64
            np.testing.assert_array_equal(array, getattr(b, part)[column])
    for attribute in ("strategy", "work", "mode", "timeout_s", "messages", "machine", "conditions", "variant"):
        assert getattr(a, attribute) == getattr(b, attribute), attribute
    assert a.plan.to_dict() == b.plan.to_dict()


@pytest.fixture
def saved(tmp_path):
    """The paths of a saved run: .json and .npz."""
    json_ = simulated.run(own_ms=[3, 1, 2], bystander_ms=[1, math.inf]).save(tmp_path / "run")
    return json_, json_.with_suffix(".npz")


def rewrite(json_, **changes):
    json_.write_text(json.dumps({**json.loads(json_.read_text()), **changes}))


def refused(path):
    with pytest.raises(RecordError) as error:
        Run.load(path)
    assert len(str(error.value).split()) > 5
    assert "\n" not in str(error.value)
    return str(error.value)


# --- files ---


@unhurried
@given(run=runs())
def test_a_run_comes_back_as_it_was_saved(run, tmp_path):
    assert_same(run, Run.load(run.save(tmp_path / "run")))


def test_a_run_is_found_by_its_name_with_and_without_an_ending(saved):
    for path in (*saved, saved[0].with_suffix(""), str(saved[0])):
        assert len(Run.load(path)) == 3


def test_a_dot_in_a_name_is_no_ending(tmp_path):
    run = simulated.run()
    assert run.save(tmp_path / "v1.2").name == "v1.2.json"
    assert_same(run, Run.load(tmp_path / "v1.2"))


def test_the_folder_is_made(tmp_path):
    assert simulated.run().save(tmp_path / "deep" / "down" / "run").exists()


def test_saving_leaves_two_files_and_nothing_else(saved):
    assert sorted(os.listdir(saved[0].parent)) == ["run.json", "run.npz"]


def test_saving_again_replaces(saved):
    after = simulated.run("thread", events=2)
    after.save(saved[0].with_suffix(""))
    assert_same(after, Run.load(saved[0]))


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert "there is no run" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("gone", [0, 1])
def test_half_a_run_is_refused(saved, gone):
    saved[gone].unlink()
    refused(saved[0])


def test_a_newer_schema_is_refused_and_says_so(saved):
    rewrite(saved[0], schema_version=SCHEMA_VERSION + 1)
    assert "newer labkit" in refused(saved[0])


@pytest.mark.parametrize("version", ["1", None, [1], {}])
def test_a_schema_version_that_is_no_number_is_refused(saved, version):
    rewrite(saved[0], schema_version=version)
    refused(saved[0])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"schema_version": 1}', '{"cells": []}', "\x00\xff"])
def test_json_of_something_else_is_refused(saved, text):
    saved[0].write_text(text, encoding="latin-1")
    refused(saved[0])


@pytest.mark.parametrize(
    "plan",
    [
        None,
        {},
        [],
        {"name": "x"},
        {"name": "x", "intended_ns": [2, 1], "connection": [0, 0], "connections": 1, "seed": 0},
    ],
)
def test_a_plan_that_is_none_is_refused(saved, plan):
    rewrite(saved[0], plan=plan)
    refused(saved[0])


def test_a_plan_of_another_length_is_refused(saved):
    rewrite(saved[0], plan=simulated.burst(4).to_dict())
    assert "length" in refused(saved[0])


@pytest.mark.parametrize("messages", [None, [], {"first": "text"}])
def test_messages_without_events_are_refused(saved, messages):
    rewrite(saved[0], messages=messages)
    refused(saved[0])


class Booby:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trap):
        self.trap = trap

    def __reduce__(self):
        return os.mkdir, (str(self.trap),)


def with_member(npz, name, content):
    """Replace a member of the archive."""
    with zipfile.ZipFile(npz) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(npz, "w") as archive:
        for n, old in {**members, name: content}.items():
            archive.writestr(n, old)


def test_pickled_objects_are_refused_and_nothing_is_executed(saved, tmp_path):
    trap = tmp_path / "sprung"
    pickled = io.BytesIO()
    np.save(pickled, np.array([Booby(trap)] * 3, object), allow_pickle=True)
    with_member(saved[1], "events.sent.npy", pickled.getvalue())
    refused(saved[0])
    assert not trap.exists()


def test_a_column_that_claims_more_than_there_is_memory_is_refused(saved):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**15,)})
    with_member(saved[1], "events.sent.npy", header.getvalue())
    refused(saved[0])


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(saved, monkeypatch):
    monkeypatch.setattr(files, "MAX_COLUMNS_BYTES", 1000)
    with pytest.raises(RecordError, match="would unpack to"):
        Run.load(saved[0])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_without_end_is_refused(saved, text):
    saved[0].write_text(text)
    refused(saved[0])


def test_a_pickle_in_the_place_of_the_archive_is_not_executed(saved, tmp_path):
    trap = tmp_path / "sprung"
    saved[1].write_bytes(pickle.dumps(Booby(trap)))
    refused(saved[0])
    assert not trap.exists()


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(saved, share):
    whole = saved[1].read_bytes()
    saved[1].write_bytes(whole[: int(len(whole) * share)])
    refused(saved[0])


def test_a_plain_array_in_the_place_of_the_archive_is_refused(saved):
    with saved[1].open("wb") as file:
        np.save(file, np.arange(3))
    refused(saved[0])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255))
def test_a_damaged_byte_is_refused_or_harmless(place, byte, tmp_path):
    run = simulated.run(own_ms=[3, 1, 2])
    npz = run.save(tmp_path / "run").with_suffix(".npz")
    damaged = bytearray(npz.read_bytes())
    damaged[int(place * len(damaged))] ^= byte
    npz.write_bytes(damaged)
    try:
        loaded = Run.load(npz)
    except RecordError:
        return
    assert_same(run, loaded)


def test_times_that_are_no_integers_are_refused(saved):
    floats = io.BytesIO()
    np.save(floats, np.array([1.5, 2.5, 3.5]))
    with_member(saved[1], "events.sent.npy", floats.getvalue())
    refused(saved[0])


@pytest.mark.parametrize("name", ["events.surprise", "surprise.sent", "surprise"])
def test_an_array_that_is_not_of_a_run_is_refused(saved, name):
    array = io.BytesIO()
    np.save(array, np.arange(3))
    with_member(saved[1], f"{name}.npy", array.getvalue())
    refused(saved[0])


def test_nothing_is_written_when_the_run_cannot_be_written(tmp_path):
    with pytest.raises(TypeError):
        simulated.run(conditions={"parameters": {"not JSON": object()}}).save(tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_what_was_saved_before_is_still_there_when_saving_fails(saved):
    before = Run.load(saved[0])
    with pytest.raises(TypeError):
        simulated.run("thread", conditions={"parameters": {"not JSON": object()}}).save(saved[0].with_suffix(""))
    assert_same(before, Run.load(saved[0]))


def test_nothing_half_written_is_left_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        simulated.run().save(tmp_path / "run")
    assert os.listdir(tmp_path) == []


# --- what an earlier version wrote ---


def test_a_run_of_schema_1_is_read_with_its_machine_and_its_conditions(saved):
    before = Run.load(saved[0])
    about = json.loads(saved[0].read_text())
    for name in ("machine", "conditions", "variant"):
        del about[name]
    environment = {
        "python": "3.11.7",
        "cores": 2,
        "measured": "2026-11-24T09:30:00+00:00",
        "seed": 0,
        "server_settings": {"Nagle's algorithm": "off", "SocketIO(async_handlers=...)": "False"},
        "warm_up": [2, 1],
        "closed": {"senders": 1, "others": 0},
        "heartbeats": {"interval_s": 1.0, "timeout_s": 0.5, "longest_silence_s": 2.0, "margin_s": -0.5, "pings": 3},
        "spare_cpu": [0.9, None],
        "server_cpu_s": 0.25,
    }
    saved[0].write_text(json.dumps({**about, "schema_version": 1, "environment": environment}))
    run = Run.load(saved[0])
    assert run.machine == {"python": "3.11.7", "cores": 2}
    assert run.conditions == Conditions(
        measured="2026-11-24T09:30:00+00:00",
        options={"async_handlers": False},
        tuned={"Nagle's algorithm": "off"},
        warm_up_asked=2,
        warm_up_answered=1,
        closed_senders=1,
        heartbeats=Heartbeats(1_000_000_000, 500_000_000, 2_000_000_000, 3),
        spare_cpu=(0.9,),
        server_cpu_s=0.25,
    )
    assert run.conditions.is_serial
    np.testing.assert_array_equal(run.events["delivered"], before.events["delivered"])


def test_a_field_of_a_newer_labkit_is_left_out(saved):
    conditions = json.loads(saved[0].read_text())["conditions"]
    rewrite(saved[0], conditions={**conditions, "of tomorrow": 1})
    assert Run.load(saved[0]).conditions == simulated.run(own_ms=[3, 1, 2], bystander_ms=[1, math.inf]).conditions


junk = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)


@unhurried
@given(
    name=st.sampled_from([field.name for field in dataclasses.fields(Conditions)]),
    value=junk | st.lists(junk, max_size=2) | st.dictionaries(st.text(max_size=3), junk, max_size=2),
)
def test_conditions_of_another_kind_are_refused_or_harmless(tmp_path, name, value):
    json_ = simulated.run(events=2, pings=0).save(tmp_path / "run")
    rewrite(json_, conditions={**json.loads(json_.read_text())["conditions"], name: value})
    try:
        run = Run.load(json_)
    except RecordError:
        return
    assert isinstance(run.conditions.is_serial, bool)
    assert isinstance(repr(run), str)  # which asks every check of quality


# --- shape ---


def arguments(run):
    parts = {part: dict(getattr(run, part)) for part in PARTS}
    about = {name: getattr(run, name) for name in ("strategy", "work", "mode", "plan", "timeout_s")}
    return {**about, **parts}


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_a_foreign_and_a_shorter_column_are_refused(part):
    for change in ("missing", "foreign", "shorter"):
        given_ = arguments(simulated.run())
        columns = given_[part]
        name = next(iter(columns))
        if change == "missing":
            del columns[name]
        elif change == "foreign":
            columns["foreign"] = columns[name]
        else:
            columns[name] = columns[name][:1]
        with pytest.raises(RecordError, match=part):
            Run(**given_)


def test_events_of_another_number_than_planned_are_refused():
    given_ = arguments(simulated.run())
    given_["events"] = {name: column[:-1] for name, column in given_["events"].items()}
    with pytest.raises(RecordError, match="length"):
        Run(**given_)


def test_no_array_can_be_written(saved):
    for run in (simulated.run(strays=1), Run.load(saved[0])):
        for part in PARTS:
            for array in getattr(run, part).values():
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1


def test_no_attribute_can_be_set():
    with pytest.raises(AttributeError):
        simulated.run().strategy = "another"


def test_the_repr_counts_what_became_of_the_events():
    assert repr(simulated.run(outcomes={"failed": 1, "timed out": 2})) == (
        "<Run inline: 10 events at once from 10 clients, each cpu:100ms; 7 answered, 1 failed, 2 timed out>"
    )


# --- what was measured ---


def test_own_latency_is_that_of_the_answer_from_the_intended_start():
    run = simulated.run(own_ms=[5, 7], late_ms=1)
    assert run.own_ms.tolist() == [5, 7]
    assert run.own_from_send_ms.tolist() == [4, 6]


def test_of_an_event_that_was_only_sent_nobody_knows_how_long_it_took():
    """It took not for ever either: no answer was asked for, or none can be matched with it."""
    run = simulated.run(own_ms=5, outcomes=["answered", "sent"])
    assert run.own_ms[0] == 5
    assert math.isnan(run.own_ms[1])


@pytest.mark.parametrize("outcome", [*(each for each in OUTCOMES[1:] if each != "sent"), "unaccounted"])
def test_whatever_is_not_answered_took_forever(outcome):
    run = simulated.run(own_ms=5, outcomes=["answered", outcome])
    assert run.own_ms.tolist() == [5, math.inf]
    assert run.own_from_send_ms[1] == math.inf


def test_a_ping_without_an_acknowledgement_took_forever():
    assert simulated.run(bystander_ms=[2, math.inf]).bystander_ms.tolist() == [2, math.inf]


def test_acknowledgements_are_there_where_the_client_asked_for_them(tmp_path):
    run = simulated.run(own_ms=[50, 60], acked_ms=[2, math.inf])
    assert run.acked_ms.tolist() == [2, math.inf]
    assert Run.load(run.save(tmp_path / "run")).acked_ms.tolist() == [2, math.inf]
    assert simulated.run().acked_ms.tolist() == []


def test_what_was_not_stamped_is_not_a_number():
    run = simulated.run(instrumented=False)
    for latencies in (run.handler_blocking_ms, run.connection_blocked_ms, run.inbox_wait_ms, run.transit_ms):
        assert np.isnan(latencies).all()
    assert np.isfinite(run.service_ms).all()  # the answer carries it


def test_each_duration_is_between_its_two_stamps():
    run = simulated.run(handler_ms=3, blocked_ms=2, service_ms=1, own_ms=50, late_ms=0)
    assert run.handler_blocking_ms == pytest.approx(3)
    assert run.connection_blocked_ms == pytest.approx(2)
    assert run.service_ms == pytest.approx(1)
    assert run.transit_ms == pytest.approx(0.5)
    assert run.inbox_wait_ms == pytest.approx(0.5)
    assert run.between_ms("work_end", "delivered") == pytest.approx(1)


def test_lateness_is_of_events_and_pings_and_leaves_out_the_unsent():
    run = simulated.run(outcomes={"unsent": 4}, late_ms=2, pings=5)
    assert sorted(run.lateness_ms) == pytest.approx([0.05] * 5 + [2] * 6)


def test_deliveries_are_counted_by_kind():
    run = simulated.run(outcomes={"timed out": 2}, strays=4, duplicates=3, late=2, garbled=1)
    assert {kind: run.delivered(kind) for kind in DELIVERIES} == {
        "answer": 8,
        "duplicate": 3,
        "late": 2,
        "stray": 4,
        "garbled": 1,
        "meant": 0,
        "unmatched": 0,
    }
    assert run.strays == 4


def test_lost_are_those_whose_caller_never_heard_anything():
    run = simulated.run(outcomes={"timed out": 2, "disconnected": 3, "shed": 1, "unsent": 1})
    assert (run.lost, run.unaccounted) == (5, 0)


def test_an_event_without_an_outcome_is_unaccounted():
    assert simulated.run(outcomes=["answered", "unaccounted"]).unaccounted == 1


def test_the_makespan_ends_with_the_last_answer():
    assert simulated.run(own_ms=[5, 9, 7]).makespan_ms == 9
    assert math.isnan(simulated.run(own_ms=math.inf).makespan_ms)


def test_threads_are_counted_from_those_before():
    assert simulated.run(threads=4).threads_peak == 4
    assert simulated.run(threads=None).threads_peak is None


# --- tables ---


def test_the_table_of_events_has_a_row_an_event_and_a_column_a_stage():
    run = simulated.run(outcomes=["answered", "timed out", "unaccounted"], messages={1: "gone"})
    table = run.events_table()
    assert len(table) == 3
    assert [f"{stage}_ms" in table for stage in (*STAGES, *SIDE_MARKS)] == [True] * 11
    assert table["outcome"].tolist() == ["answered", "timed out", "unaccounted"]
    assert table["message"].tolist() == ["", "gone", ""]
    assert table["delivered_ms"].isna().tolist() == [False, True, True]
    assert table["delivered_ms"][0] == 100


def test_the_table_of_deliveries_has_a_row_a_delivery():
    table = simulated.run(own_ms=[5], strays=1, duplicates=1).deliveries_table()
    assert list(table.columns) == ["event", "connection", "at_ms", "kind"]
    assert table["kind"].tolist() == ["stray", "answer", "duplicate"]
    assert table["at_ms"].tolist() == pytest.approx([1, 5, 6])


def test_the_table_of_pings_has_a_row_a_ping():
    table = simulated.run(bystander_ms=[2, math.inf]).pings_table()
    assert list(table.columns) == ["intended_ms", "sent_ms", "acked_ms"]
    assert table["acked_ms"].isna().tolist() == [False, True]


def test_never_is_no_time_that_can_come():
    assert NEVER < 0


@pytest.mark.parametrize(
    ("machine", "interpreter", "has"),
    [(True, {}, True), (False, {}, False), (True, {"gil": False}, False), (False, {"gil": True}, True)],
)
def test_the_gil_is_that_of_what_served(machine, interpreter, has):
    run = simulated.run(conditions={"interpreter": interpreter})
    assert dataclasses.replace(run, machine={**run.machine, "gil": machine}).has_gil is has


def test_nothing_is_known_of_the_gil_of_an_old_run():
    assert dataclasses.replace(simulated.run(), machine={}).has_gil
