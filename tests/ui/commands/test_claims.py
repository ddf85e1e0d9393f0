"""The command ``labkit claims``: with steps that measure nothing, so that every verdict and every end is reached."""

import json
from pathlib import Path

import pytest

from labkit.base.errors import BrowserError
from labkit.claims import HOLDS, LINES, claims_table, published, steps
from tests.claims.test_table import well_formed
from tests.support.judged import SLUGS, alone, neighbours, step
from tests.ui.commands.running import assert_is_refused, labkit


@pytest.fixture(autouse=True)
def nothing_published(tmp_path, monkeypatch):
    """No recorded file but what a test writes; where it would be. The terminal is wide enough for whole cells."""
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setattr(published, "FILE", tmp_path / "recorded.json")
    return tmp_path / "recorded.json"


@pytest.fixture
def measures(monkeypatch):
    """Stand-in for the set: evidence by the name of a step; an exception is raised, a function called with the seed."""

    def prepare(**evidence):
        def run_of(found):
            def run(seed):
                if isinstance(found, BaseException):
                    raise found
                return found(seed) if callable(found) else found

            return run

        names = {name.replace("_", " "): found for name, found in evidence.items()}
        fakes = [
            step(s.name, run_of(names[s.name]), s.slugs, browser=s.browser) for s in steps.STEPS if s.name in names
        ]
        monkeypatch.setattr(steps, "STEPS", tuple(fakes))

    return prepare


def publish(path, found):
    """As if these verdicts had been recorded."""
    summary = published.summarised([found.lines], found.environment, "labkit claims --repeats 1 --record")
    return summary.save(path)


def both():
    return {"one_event": alone(), "computing": neighbours()}


def test_the_table_says_line_verdict_and_measured_value(measures):
    measures(**both())
    result = labkit("claims", "--only", "13")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "[1 of 1] about computing" in text
    assert "DEPENDS" in text
    assert "8.00 times its bound" in text
    assert "No verdicts are recorded with this version." in text


def test_files_are_written_and_well_formed(measures, tmp_path):
    measures(**both())
    assert labkit("claims", "--out", tmp_path / "X").exit_code == 0
    about = json.loads((tmp_path / "X" / "claims.json").read_text())
    assert [line["number"] for line in about["lines"]] == [line.number for line in LINES]
    assert about["repeats"] is None
    assert well_formed((tmp_path / "X" / "claims.html").read_text())


def test_an_earlier_table_is_not_overwritten(measures, tmp_path):
    measures(one_event=AssertionError("was run"), computing=AssertionError("was run"))
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "claims.json").write_text("mine")
    result = labkit("claims", "--out", tmp_path / "X")
    assert_is_refused(result)
    assert "holds an earlier claims table" in result.stderr
    assert (tmp_path / "X" / "claims.json").read_text() == "mine"


def test_as_recorded_is_exit_code_0(measures, nothing_published):
    measures(**both())
    publish(nothing_published, claims_table({"one event": alone(), "computing": neighbours()}))
    result = labkit("claims")
    assert result.exit_code == 0
    assert "As recorded, as far as it could be tested." in result.stdout


def test_another_verdict_than_the_recorded_one_is_exit_code_1(measures, nothing_published):
    publish(nothing_published, claims_table({"one event": alone(), "computing": neighbours()}))
    measures(one_event=alone(), computing=neighbours(bystander_ms=20))
    result = labkit("claims", "--only", "2")
    assert result.exit_code == 1
    assert "neighbours-wait: DOES NOT HOLD HERE, recorded as HOLDS." in result.stdout


def test_a_step_that_fails_is_told_and_the_others_go_on(measures):
    measures(one_event=BrowserError("it broke."), computing=neighbours())
    result = labkit("claims", "--only", "2", "--out", "X")
    assert result.exit_code == 0
    assert "one event: it broke." in result.stdout
    by = {claim["slug"]: claim for claim in json.loads(Path("X/claims.json").read_text())["claims"]}
    assert (by["one-alone"]["verdict"], by["one-alone"]["why"]) == ("NOT TESTABLE HERE", "it broke.")
    assert by["neighbours-wait"]["verdict"] == HOLDS


def test_without_a_browser_no_step_of_the_page_is_run(measures):
    measures(**both(), **{"page,_pipeline": AssertionError("was run")})
    result = labkit("claims", "--only", "9", "--no-browser")
    assert result.exit_code == 0
    assert "Asked for without a browser." in " ".join(result.stdout.split())


def test_repeats_count_how_often_each_held_and_the_smallest_headroom(measures, tmp_path):
    seeds = []

    def waits(seed):
        seeds.append(seed)
        return neighbours(bystander_ms=[400, 300, 20][len(seeds) - 1])

    measures(one_event=alone(), computing=waits)
    result = labkit("claims", "--only", "2", "--repeats", 3, "--seed", 5, "--out", tmp_path / "X")
    assert result.exit_code == 0
    assert seeds == [5, 6, 7]
    claim = json.loads((tmp_path / "X" / "claims.json").read_text())["repeats"]["claims"]["neighbours-wait"]
    assert (claim["status"], claim["held"], claim["judged"]) == (None, 2, 3)
    assert claim["smallest_headroom"] == pytest.approx(0.4)
    assert "2 of 3" in result.stdout


def test_a_difference_in_any_run_is_exit_code_1(measures, nothing_published):
    publish(nothing_published, claims_table({"one event": alone(), "computing": neighbours()}))
    values = iter([20, 400])
    measures(one_event=alone(), computing=lambda seed: neighbours(bystander_ms=next(values)))
    assert labkit("claims", "--only", "2", "--repeats", 2).exit_code == 1


def test_recording_writes_what_runs_agreed_on(measures, nothing_published):
    measures(**both())
    result = labkit("claims", "--repeats", 2, "--record", "--seed", 3)
    assert result.exit_code == 0
    found = published.Recorded.load(nothing_published)
    assert (found.runs, found.command) == (2, "labkit claims --repeats 2 --record --seed 3")
    assert set(found.claims) == set(SLUGS)
    assert (found.claims["neighbours-wait"].held, found.claims["neighbours-wait"].smallest_headroom) == (2, 8.0)
    assert "Recorded 2 runs" in result.stdout


def test_recording_names_what_was_not_the_same_or_is_tight(measures, nothing_published):
    values = iter([20, 60])
    measures(one_event=alone(own_ms=120), computing=lambda seed: neighbours(bystander_ms=next(values)))
    result = labkit("claims", "--repeats", 2, "--record")
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "Not the same in every run, and so without a verdict: line 2" in text
    assert "Smallest headroom below 1.5: processes-spare-neighbours, one-alone, neighbours-wait." in text
    assert published.Recorded.load(nothing_published).claims["neighbours-wait"].status is None


def test_ctrl_c_keeps_what_was_judged(measures, tmp_path):
    measures(one_event=alone(), computing=KeyboardInterrupt())
    result = labkit("claims", "--only", "2", "--out", tmp_path / "X")
    assert result.exit_code == 130
    assert "Interrupted; what was judged until then is kept." in result.stdout
    by = {c["slug"]: c for c in json.loads((tmp_path / "X" / "claims.json").read_text())["claims"]}
    assert by["one-alone"]["verdict"] == HOLDS
    assert by["neighbours-wait"]["why"] == "computing: not measured."


def test_ctrl_c_in_a_later_run_keeps_the_whole_ones_and_records_nothing(measures, nothing_published):
    values = iter([400, KeyboardInterrupt()])

    def waits(seed):
        value = next(values)
        if isinstance(value, BaseException):
            raise value
        return neighbours(bystander_ms=value)

    measures(one_event=alone(), computing=waits)
    result = labkit("claims", "--repeats", 3, "--record")
    assert result.exit_code == 130
    assert not nothing_published.exists()
    assert "8.00 times" in result.stdout


def test_ctrl_c_before_anything_was_measured_is_a_sentence(measures):
    measures(one_event=KeyboardInterrupt())
    result = labkit("claims", "--only", "2")
    assert_is_refused(result, code=130)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--only", "15"),
        ("--only", "0,2"),
        ("--only", "two"),
        ("--only", ""),
        ("--repeats", "0"),
        ("--seed", "-1"),
        ("--record", "--only", "2"),
        ("--record", "--no-browser"),
        ("--out", "file"),
    ],
)
def test_wrong_usage_is_one_line_and_nothing_is_measured(arguments, measures, tmp_path):
    (tmp_path / "file").write_text("")
    measures(one_event=AssertionError("was run"), computing=AssertionError("was run"))
    assert_is_refused(labkit("claims", *arguments))
