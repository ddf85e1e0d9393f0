"""Records of a rendering: what they derive, and that a file gives back what was saved."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import RecordError
from labkit.browser.rendering import Measured, Rendering
from labkit.runs.stages import NEVER
from tests.support.rendered import SETTINGS, explained, rendering, timed


def test_staleness_runs_from_when_the_server_had_an_update_to_its_paint():
    # sent is the second stage of six, painted the last: four steps lie between.
    assert timed(step_ms=10).staleness_ms.tolist() == [40] * 4


def test_an_update_that_was_never_painted_has_no_staleness():
    run = timed(never=[1])
    assert np.isnan(run.staleness_ms).tolist() == [False, True, False, False]
    assert run.painted == 3


def test_a_click_is_followed_to_its_answer_and_to_its_paint():
    run = timed(step_ms=10)
    assert run.click_to_ack_ms.tolist() == [80, 80]
    assert run.click_to_result_ms.tolist() == [90, 90]


def test_stamps_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        timed().updates["sent"][0] = 1


def test_columns_that_are_missing_or_differ_in_length_are_refused():
    run = timed()
    with pytest.raises(RecordError, match="updates have the columns"):
        timed(updates={"sent": run.updates["sent"]})
    with pytest.raises(RecordError, match="differ in length"):
        timed(updates={**run.updates, "sent": np.zeros(1, np.int64)})


def test_incomplete_runs_are_kept_but_left_out():
    each = Measured("naive", SETTINGS, runs=(timed(task_ms=1), timed(task_ms=9, problem="the page threw 'x'")))
    assert each.values("task_ms").tolist() == [1]
    notes = Rendering((each,)).notes
    assert any("run 2 is incomplete and left out: the page threw 'x'" in note for note in notes)
    assert not Rendering((each,)).is_valid


def test_lost_and_repeated_updates_make_a_rendering_invalid():
    assert rendering().is_valid
    for changes in ({"lost": 1}, {"repeated": 1}):
        result = Rendering((Measured("naive", SETTINGS, runs=(timed(**changes),)),))
        assert not result.is_valid
        assert any("do not use it" in note for note in result.notes)


def test_a_clock_that_may_be_off_is_told():
    result = Rendering((Measured("naive", SETTINGS, runs=(timed(clock_error_ms=1.5),)),))
    assert any("may differ by 1.5 ms" in note for note in result.notes)


@pytest.mark.parametrize(
    ("error_ms", "said"), [((-0.9, 0.9), ""), ((1.2, 3), "1.2 ms off"), ((-4, -1.5), "1.5 ms off")]
)
def test_a_page_whose_inp_is_not_the_traces_is_told(error_ms, said):
    about = dataclasses.replace(explained(), inp_error_ms=error_ms)
    notes = " ".join(Rendering((Measured("naive", SETTINGS, explained=about),)).notes)
    assert ("use the trace's INP" in notes) == bool(said)
    assert said in notes


def test_paint_cost_is_what_follows_layout():
    assert explained().paint_ms == 10


def test_a_way_is_found_by_its_name():
    assert rendering()["forced"].exact.layouts == 200
    with pytest.raises(KeyError, match="was not measured here"):
        rendering()["fast"]


def test_two_renderings_are_one_table():
    both = rendering() + Rendering((Measured("late", SETTINGS),), problems=("Incomplete: x.",))
    assert [each.name for each in both.measured] == ["naive", "forced", "late"]
    assert both.problems == ("Incomplete: x.",)


def test_of_what_both_measured_alike_the_runs_are_pooled():
    more = Rendering((Measured("naive", SETTINGS, runs=(timed(task_ms=7.0),)), Measured("late", SETTINGS)))
    both = rendering() + more
    assert [each.name for each in both.measured] == ["naive", "forced", "late"]
    assert both["naive"].values("task_ms").tolist() == [100, 120, 110, 7]
    assert (both["naive"].exact.layouts, both["naive"].explained.long_tasks) == (10, 1)
    assert (more + rendering())["naive"].exact.layouts == 10
    assert (Rendering(()) + rendering()).environment == {"browser": "Chromium 156"}


def test_what_was_measured_under_other_settings_stays_apart():
    for changed in ({"rate_hz": 30.0}, {"strategy": "thread"}):
        other = Rendering((Measured("naive", {**SETTINGS, **changed}, runs=(timed(),)),))
        assert [len(each.runs) for each in (rendering() + other).measured] == [3, 3, 1]


def test_a_file_gives_back_what_was_saved(tmp_path):
    result = rendering() + Rendering(
        (Measured("late", SETTINGS, runs=(timed(inp_ms=None, clock_error_ms=float("nan"), never=[0]),)),)
    )
    path = result.save(tmp_path / "deep" / "rendering.json")
    loaded = Rendering.load(path)
    assert loaded.to_dict() == result.to_dict()
    assert repr(loaded) == repr(result)
    assert loaded["late"].runs[0].updates["painted"][0] == NEVER
    assert [each.name for each in path.parent.iterdir()] == ["rendering.json"]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**52), 2**52)), min_size=4, max_size=4))
def test_stamps_survive_a_file_to_the_nanosecond(tmp_path_factory, values):
    column = np.array([NEVER if v is None else v for v in values], np.int64)
    result = Rendering((Measured("naive", SETTINGS, runs=(timed(updates={**timed().updates, "painted": column}),)),))
    loaded = Rendering.load(result.save(tmp_path_factory.getbasetemp() / "stamps.json"))
    assert loaded["naive"].runs[0].updates["painted"].tolist() == column.tolist()


def test_what_is_no_rendering_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(RecordError, match="there is no rendering"):
        Rendering.load(path)
    whole = json.dumps(rendering().to_dict())
    broken = (whole[: len(whole) // 2], "[]", "{}", "3", "\x00", whole.replace('"painted": [', '"painted": ["x", '))
    for text in broken:
        path.write_text(text)
        with pytest.raises(RecordError, match="is not a rendering, or is damaged"):
            Rendering.load(path)


def test_a_file_of_schema_version_1_is_read(tmp_path):
    about = rendering().to_dict()
    for name in ("page_inp_ms", "web_vitals_inp_ms", "inp_error_ms"):
        del about["measured"][0]["explained"][name]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**about, "schema_version": 1}))
    assert Rendering.load(path)["naive"].explained.inp_error_ms is None


def test_a_file_of_schema_version_2_called_the_strategy_an_exhibit(tmp_path):
    about = rendering().to_dict()
    about["measured"][0]["settings"]["exhibit"] = "thread"
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**about, "schema_version": 2}))
    assert Rendering.load(path)["naive"].settings == {**SETTINGS, "strategy": "thread"}


def test_a_file_of_schema_version_3_does_not_say_what_the_browser_tells(tmp_path):
    about = rendering().to_dict()
    for measured in about["measured"]:
        for run in measured["runs"]:
            del run["entry_types"]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**about, "schema_version": 3}))
    assert not Rendering.load(path)["naive"].runs[0].tells_long_frames


def test_a_newer_file_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**rendering().to_dict(), "schema_version": 99}))
    with pytest.raises(RecordError, match="schema version 99: read it with a newer labkit"):
        Rendering.load(path)


def test_the_tables_values_are_json_without_what_is_unknown():
    told = Measured("late", SETTINGS, runs=(timed(inp_ms=None),)).to_dict()
    assert told["inp_ms"] is None
    assert told["staleness_p95_ms"] == 40
    json.dumps(told, allow_nan=False)
