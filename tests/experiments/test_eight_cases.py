"""The eight cases: which runs are which case, and what is said of it."""

import math

import pytest

from labkit.experiments import eight_cases
from labkit.experiments.eight_cases import EightCases
from labkit.runs.comparison import Comparison
from tests.support import modelled


def test_there_are_eight_and_b_helps_in_the_one_that_theory_names():
    found = modelled.eight_cases()
    assert [str(case) for case in found] == [
        f"{work}, {server}, {who}"
        for work in ("computes", "waits")
        for server in ("default settings", "async_handlers=False")
        for who in ("one client", "10 clients")
    ]
    (helped,) = found.helps
    assert (helped.work, helped.is_serial, helped.clients) == ("waits", True, 1)
    assert helped.finding == "5.0x sooner"


def test_the_table_says_what_each_case_came_to():
    text = repr(modelled.eight_cases())
    assert text.count("no sooner") == 6
    assert "2.0x later" in text
    assert "async_handlers=False" in text


def test_what_was_never_answered_is_no_finding():
    case = next(iter(modelled.eight_cases(modelled.World(loses=True))))
    assert case.finding == "no sooner"
    assert math.isfinite(case.sooner)


def test_what_is_measured_are_a_and_b_by_one_client_and_by_many(monkeypatch):
    asked = []

    def compare(strategies, work, plan, **settings):
        asked.append((tuple(s.name for s in strategies), work.name, plan.connections, settings["repeats"]))
        return Comparison(())

    monkeypatch.setattr(eight_cases, "compare", compare)
    assert isinstance(eight_cases.eight_cases(20, 6, repeats=2), EightCases)
    assert asked == [
        (("inline", "thread", "inline-serial", "thread, async_handlers=False"), work, clients, 2)
        for work in ("cpu:20ms", "io_wait:20ms")
        for clients in (1, 6)
    ]


@pytest.mark.measured
def test_the_eight_cases_are_measured(client):
    found = eight_cases.eight_cases(20, 4, client=client)
    assert len(list(found)) == 8
    assert {run.plan.connections for run in found.waits.runs} == {1, 4}
    assert all(case.a.events == case.b.events == 4 for case in found)
