"""Whether a bound is held: just within, just beyond, and what can't be told."""

import math

import pytest

from labkit.runs import holding
from labkit.runs.holding import BREAKS, HOLDS, UNKNOWN
from tests.support import simulated

BOUND = 200.0


def of(own_ms, **more):
    return holding.callers(simulated.run(own_ms=own_ms, **more), BOUND)


@pytest.mark.parametrize(
    ("own_ms", "word"),
    [
        ([200.0] * 150, HOLDS),
        ([10.0] * 147 + [201.0] * 3, HOLDS),  # three of 150 are 2%
        ([10.0] * 146 + [201.0] * 4, BREAKS),
        ([10.0] * 149 + [math.inf], BREAKS),  # everybody has to be answered
        ([10.0] * 149, UNKNOWN),
        ([10.0] * 17 + [201.0] * 3, BREAKS),  # so many of so few can't be 2%
        ([10.0] * 18 + [201.0] * 2, UNKNOWN),
        ([math.inf], BREAKS),
    ],
)
def test_p98_of_all_callers(own_ms, word):
    assert of(own_ms).word == word


def test_what_cannot_be_told_and_what_was_never_answered_have_their_reason():
    assert of([10.0] * 20).why == "20 samples: a p98 takes 150"
    assert of([10.0] * 148 + [math.inf] * 2).why == "2 of 150 were never answered"
    assert str(of([10.0] * 150)) == "holds, p98 10 ms"


def test_a_client_that_was_late_is_not_the_servers_fault():
    late = {"late_ms": 30.0, "pings": 0}
    assert of([210.0] * 150, **late).word == UNKNOWN
    assert "the client itself was 30 ms late" in of([210.0] * 150, **late).why
    # Too late by more than the client, or within the bound in spite of it.
    assert of([240.0] * 150, **late).word == BREAKS
    assert of([190.0] * 150, **late).word == HOLDS


def test_an_invalid_run_tells_nothing():
    assert of([10.0] * 150, outcomes={"unaccounted": 1}).word == UNKNOWN


def test_the_bystander_is_judged_by_its_pings():
    run = simulated.run(own_ms=[900.0] * 150, bystander_ms=[1.0] * 150)
    assert holding.bystander(run, BOUND).word == HOLDS
    slow = simulated.run(own_ms=[9.0] * 150, bystander_ms=[250.0] * 150)
    assert holding.bystander(slow, BOUND).word == BREAKS
    few = simulated.run(own_ms=[9.0] * 150, bystander_ms=[1.0] * 149)
    assert holding.bystander(few, BOUND).word == UNKNOWN
