"""Bursts with faults in between leave nothing behind; the short form of ``python -m tests.benchmarks.soak``."""

import random

import pytest

from labkit.plan.modes import MODES
from tests.support.soaked import FAULTS, Case, Trend, soak


@pytest.mark.measured
def test_bursts_with_faults_leave_nothing():
    found = soak(3, seed=5, modes=("threading",), least=5)
    assert found.unaccounted == 0
    assert found.bursts >= 5
    assert [trend.name for trend in found.trends if trend.grows] == []


@pytest.mark.parametrize(
    ("name", "values", "grows"),
    [
        ("threads", [3] * 40, False),
        ("threads", [3, 4, 3, 3, 5, 3, 3, 4, 3, 3] * 4, False),
        ("threads", [3 + i // 5 for i in range(40)], True),
        ("threads", [3] * 20 + [4] * 20, True),  # one that stays
        ("threads", [3] * 20 + [4] * 3 + [3] * 17, False),  # one that comes back
        ("memory", [100 + i * 0.1 for i in range(40)], False),  # 4 MB: within what may be
        ("memory", [100 + i * 0.5 + (-1) ** i for i in range(40)], True),
        ("memory", [100, 200], False),  # nobody can say
    ],
)
def test_growth_is_told_from_noise(name, values, grows):
    assert Trend.of(name, values).grows is grows


def test_everything_is_drawn_and_the_same_seed_draws_the_same():
    drawn = [[Case.drawn(random.Random(seed)) for _ in range(1)] for seed in (1, 1)]
    assert drawn[0] == drawn[1]
    rng = random.Random(1)
    cases = [Case.drawn(rng) for _ in range(300)]
    assert {case.mode for case in cases} == set(MODES)
    assert {case.fault for case in cases} == set(FAULTS)
