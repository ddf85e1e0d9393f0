"""Are two strategies different, and by how much: the run is the unit, never the event.

The events of one run met the same minute of the machine, so a thousand of them are one observation. Each run gives one
figure (a percentile). Two sets of runs are compared by an exact permutation test on the logarithms (latencies differ by
factors), and the factor gets an interval by bootstrap over runs. Both are SciPy's; unequal numbers of runs are allowed.

Source: E. S. Edgington and P. Onghena, Randomization Tests (2007); B. Efron and R. Tibshirani, An Introduction to the
Bootstrap (1993), both through `scipy.stats.permutation_test` and `scipy.stats.bootstrap`.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import MissingExtra

Float64 = NDArray[np.float64]

#: A difference is called one if chance alone gives one as large in fewer than this share of cases.
ALPHA = 0.05

#: The fewest runs of each side that can tell: 2 of C(2n, n) arrangements are as extreme as the most extreme one.
ENOUGH = next(n for n in itertools.count(2) if 2 / math.comb(2 * n, n) <= ALPHA)

#: Of the interval.
CONFIDENCE = 0.95

#: Resamples of the bootstrap, and the most permutations; below this many arrangements the test is exact.
RESAMPLES = 9_999


@dataclass(frozen=True, repr=False)
class Difference:
    """How one set of runs compares with another.

    Attributes:
        first, second: their names.
        what: is compared, such as ``bystander p50``.
        factor: how many times larger the second is than the first, by geometric means; NaN where an answer never came.
        low, high: the interval of the factor; NaN where it cannot be told.
        p_value: of the permutation test; NaN where there are too few runs.
        runs: of the first and of the second.
        smallest_p: the smallest p-value that so many runs can give; above :data:`ALPHA` there are too few.
        superiority: the share of pairs of runs in which the first is smaller (ties count half): the effect size,
            A of Vargha and Delaney (2000).
    """

    first: str
    second: str
    what: str
    factor: float
    low: float
    high: float
    p_value: float
    runs: tuple[int, int]
    smallest_p: float
    superiority: float

    @property
    def too_few(self) -> bool:
        """Whether so many runs can show no difference, however large."""
        return self.smallest_p > ALPHA

    @property
    def is_distinguishable(self) -> bool:
        """Whether chance is an unlikely explanation."""
        return not self.too_few and self.p_value < ALPHA

    @property
    def is_told_as_none(self) -> bool:
        """Whether it is 1.00x to two digits: where runs are very alike, so little is soon more than chance gives."""
        return not math.isnan(self.factor) and f"{max(self.factor, 1 / self.factor):.2f}" == "1.00"

    def __repr__(self) -> str:
        """Plain words: which is lower, by how much, how sure."""
        first, second, what = self.first, self.second, self.what
        count = (
            f"{self.runs[0]} runs each" if self.runs[0] == self.runs[1] else f"{self.runs[0]} and {self.runs[1]} runs"
        )
        if self.too_few:
            return f"{first} and {second}, {what}: too few repeats to compare ({count}; {ENOUGH} of each can tell)"
        if not self.is_distinguishable:
            return f"{first} and {second}, {what}: not distinguishable ({count})"
        if math.isnan(self.factor):
            lower, other = (first, second) if self.superiority > 0.5 else (second, first)
            return f"{lower} is lower than {other} at {what} ({other} had answers that never came), {count}"
        lower, factor, low, high = first, self.factor, self.low, self.high
        if factor < 1:
            lower, factor, low, high = second, 1 / factor, 1 / high, 1 / low
        other = second if lower == first else first
        return f"{lower} is {factor:.1f}x lower than {other} at {what}, interval {low:.1f} to {high:.1f}, {count}"


def compare(
    first: Sequence[float],
    second: Sequence[float],
    *,
    names: tuple[str, str] = ("the first", "the second"),
    what: str = "latency",
    seed: int = 0,
) -> Difference:
    """Compare one figure of each of some runs with that of others.

    Args:
        first, second: one latency a run, above 0; inf where an answer never came (it counts as the largest).
        names: of both sides, and `what` is compared: for the sentence.
        seed: of the resampling.

    Raises:
        MissingExtra: SciPy is not there.
        ValueError: there are no runs, or a latency is not above 0.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if len(a) == 0 or len(b) == 0 or not (np.all(a > 0) and np.all(b > 0)):
        raise ValueError("a comparison takes at least one latency above 0 of each side")
    smallest_p = min(1.0, 2 / math.comb(len(a) + len(b), len(a)))
    superiority = float(np.mean((a[:, None] < b[None, :]) + 0.5 * (a[:, None] == b[None, :])))
    finite = bool(np.isfinite(a).all() and np.isfinite(b).all())
    la, lb = _logs(a, b)
    p_value = math.nan if smallest_p > ALPHA else _permutation_p(la, lb, seed)
    low, high = _interval(la, lb, seed) if finite and min(len(a), len(b)) > 1 else (math.nan, math.nan)
    factor = float(np.exp(lb.mean() - la.mean())) if finite else math.nan
    return Difference(*names, what, factor, low, high, p_value, (len(a), len(b)), smallest_p, superiority)


def _logs(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """Logarithms; where an answer never came, ranks, since infinity has no logarithm to average."""
    if np.isfinite(a).all() and np.isfinite(b).all():
        return np.log(a), np.log(b)
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([a, b]))
    return ranks[: len(a)], ranks[len(a) :]


def _permutation_p(a: Float64, b: Float64, seed: int) -> float:
    stats = _scipy_stats()
    found = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="independent",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _interval(a: Float64, b: Float64, seed: int) -> tuple[float, float]:
    """Of the factor, by percentile bootstrap over runs."""
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        factor = float(np.exp(b[0] - a[0]))
        return factor, factor
    stats = _scipy_stats()
    found = stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.exp(np.mean(y, axis=axis) - np.mean(x, axis=axis)),
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values of several tests as they count together: at most one family in twenty errs, however many there are.

    Source: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6
    (1979). It holds whatever the tests have to do with each other.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found, least = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, p_values[i] * (len(p_values) - rank)))
        found[i] = least
    return tuple(found)


def enough_for(tests: int) -> int:
    """The fewest runs of each side that can tell, where so many figures are compared at once."""
    return next(n for n in itertools.count(2) if 2 * tests / math.comb(2 * n, n) <= ALPHA)


def largest_hidden(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> float:
    """The largest factor, either way, by which two sets of runs may differ although no difference was seen.

    Of two intervals the wider counts: the bootstrap's, which few runs make too narrow, and Welch's of the logarithms
    (B. L. Welch, Biometrika 34, 1947).

    Returns:
        1.08 where a difference above 8% would have shown; inf where it cannot be told.

    Raises:
        MissingExtra: SciPy is not there.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if min(len(a), len(b)) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf
    la, lb = np.log(a), np.log(b)
    bounds = [abs(math.log(bound)) for bound in _interval(la, lb, seed)]
    if np.ptp(la) > 0 or np.ptp(lb) > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # runs that are nearly identical: its digits are few
            welch = _scipy_stats().ttest_ind(lb, la, equal_var=False).confidence_interval(CONFIDENCE)
        bounds += [abs(welch.low), abs(welch.high)]
    return math.exp(max(bounds))


def interval_over_runs(
    runs: int, statistic: Callable[[NDArray[np.int64]], float], *, resamples: int = 999, seed: int = 0
) -> tuple[float, float]:
    """Of a figure of several runs together, by percentile bootstrap over runs; inf where an answer may never come.

    Args:
        runs: how many there are, at least two.
        statistic: of the runs with these numbers, one of which may be there several times.
        resamples, seed: of the bootstrap.

    Raises:
        MissingExtra: SciPy is not there.
    """
    stats = _scipy_stats()
    with np.errstate(invalid="ignore"):  # its own interval is of no use where an answer never came, and is not used
        found = stats.bootstrap(
            (np.arange(runs),),
            lambda chosen: statistic(np.asarray(chosen, np.int64)),
            method="percentile",
            vectorized=False,
            n_resamples=resamples,
            rng=np.random.default_rng(seed),
        )
    outside = (1 - CONFIDENCE) / 2
    # By nearest rank: between a time and "never" there is nothing to interpolate.
    low, high = np.quantile(found.bootstrap_distribution, [outside, 1 - outside], method="inverted_cdf")
    return float(low), float(high)


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError:
        raise MissingExtra("comparing strategies needs SciPy: pip install 'labkit[lab]'") from None
    return stats
