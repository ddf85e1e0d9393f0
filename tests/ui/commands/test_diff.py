"""``labkit diff``: what it shows, its exit codes, and folders that it cannot take."""

import json
from pathlib import Path

import pytest

from tests.runs.test_diff import side
from tests.ui.commands.running import assert_is_refused, labkit


def saved(**folders):
    for name, comparison in folders.items():
        comparison.save(Path(name))


def test_slower_is_told_with_figure_and_summary():
    saved(a=side(6, 1), b=side(6, 2, slower=2))
    done = labkit("diff", "a", "b", "--figure", "diff.png", "--summary", "summary.md")
    shown = " ".join(done.stdout.split())
    assert done.exit_code == 3
    assert shown.startswith("A is a, B is b.")
    assert "inline, own.p50: B is 1.89x slower (interval " in shown
    assert "Figure: diff.png" in shown
    assert Path("diff.png").stat().st_size > 1000
    assert "slower" in Path("summary.md").read_text()


@pytest.mark.parametrize(
    ("b", "code"),
    [
        (side(6, 2), 0),
        (side(6, 2, slower=0.5), 0),
        (side(6, 2, slower=2), 3),
        (side(3, 2, slower=2), 4),
        (side(6, 2, own_ms=[50] * 9 + [float("inf")]), 1),
        (side(6, 2, outcomes={"unaccounted": 1}), 4),
    ],
    ids=["alike", "faster", "slower", "too few", "lost", "invalid"],
)
def test_exit_codes(b, code):
    saved(a=side(6, 1, own_ms=[50] * 10) if code == 1 else side(6, 1), b=b)
    assert labkit("diff", "a", "b").exit_code == code


def test_json_is_one_object():
    saved(a=side(6, 1), b=side(6, 2, slower=2))
    done = labkit("diff", "a", "b", "--json")
    told = json.loads(done.stdout)
    assert (told["first"], told["second"], told["verdict"]) == ("a", "b", "slower")
    assert {"figure", "factor", "interval", "p_value", "runs", "verdict"} <= set(told["changes"][0])
    assert done.exit_code == 3


def test_what_explains_it_comes_before_the_table():
    saved(a=side(6, 1), b=side(6, 2, slower=2, work="cpu:200ms"))
    shown = " ".join(labkit("diff", "a", "b").stdout.split())
    assert shown.index("Differs: work, cpu:100ms in A and cpu:200ms in B") < shown.index("factor")


def test_runs_without_one_figure_to_compare_are_told():
    saved(a=side(6, 1, events=2, bystander_ms=[]), b=side(6, 2, events=2, bystander_ms=[]))
    done = labkit("diff", "a", "b")
    assert "can't tell, since nothing could be compared" in done.stdout
    assert done.exit_code == 4


@pytest.mark.parametrize(("a", "b", "code"), [("a", "none", 1), ("none", "a", 1), ("a", "empty", 1), ("a", "file", 1)])
def test_what_is_no_folder_of_runs_is_refused(a, b, code):
    saved(a=side(4, 1))
    Path("empty").mkdir()
    Path("file").write_text("")
    assert_is_refused(labkit("diff", a, b), code)


def test_a_folder_that_is_not_named_is_refused():
    assert_is_refused(labkit("diff", "a"), 2)
