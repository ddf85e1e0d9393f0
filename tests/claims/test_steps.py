"""The set: which steps serve which lines, and what becomes of one that fails."""

import pytest

import labkit as lab
from labkit.base.errors import MissingExtra, UsageError
from labkit.claims import NOT_TESTABLE, STEPS, Missing, claims_table, measure
from labkit.claims import steps as measuring
from tests.support.helpers import nothing_left_behind
from tests.support.judged import alone, neighbours, step


def failing(reason):
    def run(seed):
        raise reason

    return run


def test_names_are_unique_and_each_step_says_what_it_measures():
    assert len({s.name for s in STEPS}) == len(STEPS)
    assert all(s.what and s.slugs for s in STEPS)
    assert all(s.browser == s.name.startswith("page") for s in STEPS)


def test_a_line_needs_the_steps_of_its_claims_and_no_others():
    assert [s.name for s in measuring.steps([9])] == ["page, pipeline"]
    assert [s.name for s in measuring.steps([4, 7])] == ["page, counted", "page, heavy handlers"]
    assert measuring.steps() == STEPS
    assert not any(s.browser for s in measuring.steps(browser=False))


def test_a_line_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no line 15"):
        measuring.steps([15])


def test_a_step_that_fails_leaves_its_reason_and_the_others_go_on():
    chosen = [
        step("one event", failing(MissingExtra("there is no browser: get one."))),
        step("computing", lambda seed: ("measured with", seed)),
    ]
    found = {s.name: evidence for s, evidence in measuring.measured(chosen, seed=7)}
    assert found == {"one event": Missing("there is no browser: get one."), "computing": ("measured with", 7)}


def test_quick_takes_the_quick_way_where_there_is_one(monkeypatch):
    both = measuring.Step("one event", "", ("one-alone",), lambda seed: "whole", quick=lambda seed: f"quick, {seed}")
    monkeypatch.setattr(measuring, "STEPS", (both, step("computing", lambda seed: "whole")))
    assert measure([2], seed=3, quick=True) == {"one event": "quick, 3", "computing": "whole"}
    assert measure([2]) == {"one event": "whole", "computing": "whole"}


def test_a_mistake_of_the_labs_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        list(measuring.measured([step("one event", failing(ZeroDivisionError()))]))


def test_ctrl_c_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        list(measuring.measured([step("one event", failing(KeyboardInterrupt()))]))


def test_each_step_is_announced_before_it_is_measured(monkeypatch):
    seen = []
    fakes = tuple(step(name, lambda seed, name=name: seen.append(name)) for name in ("one event", "computing"))
    monkeypatch.setattr(measuring, "STEPS", fakes)
    found = measure([2], progress=lambda s: seen.append(f"before {s.name}"))
    assert seen == ["before one event", "one event", "before computing", "computing"]
    assert list(found) == ["one event", "computing"]


def test_without_a_browser_the_pages_claims_say_so(monkeypatch):
    from labkit.browser.driver import chromium

    monkeypatch.setattr(chromium, "full", failing(MissingExtra("there is no browser: get one.")))
    found = measure([9])
    assert found == {"page, pipeline": Missing("there is no browser: get one.")}
    table = claims_table(found, lines=[9])
    assert (table[9].status, table[9].why) == (NOT_TESTABLE, "there is no browser: get one.")


@pytest.mark.measured
def test_two_steps_for_real_leave_nothing_behind():
    chosen = [s for s in STEPS if s.name in ("one event", "heartbeat, one at a time")]
    lab.measure("inline", lab.io_wait(1), lab.burst(1))  # the client process of the session stays
    with nothing_left_behind():
        found = {s.name: evidence for s, evidence in measuring.measured(chosen)}
    table = claims_table(found)
    assert all(table.verdicts[slug].status != NOT_TESTABLE for s in chosen for slug in s.slugs)


def test_what_is_known_is_not_measured_again(monkeypatch):
    seen = []
    fakes = tuple(step(name, lambda seed, name=name: seen.append(name)) for name in ("one event", "computing"))
    monkeypatch.setattr(measuring, "STEPS", fakes)
    assert measure([2], known={"computing": "before"}) == {"computing": "before", "one event": None}
    assert seen == ["one event"]


def test_fakes_are_of_the_kind_that_steps_measure():
    table = claims_table({"one event": alone(), "computing": neighbours()}, lines=[2])
    assert {"one-alone", "neighbours-wait"} <= {s for s, v in table.verdicts.items() if v.status != NOT_TESTABLE}
