"""Verdicts made by hand, and a set of steps that measures nothing: what tests of the lines share."""

from labkit.claims import CLAIMS, HOLDS, LINES, NOT_TESTABLE, Step, Verdict
from labkit.claims.line import AGAINST, FOR
from tests.support import simulated

#: Of every claim of a line.
SLUGS = tuple(dict.fromkeys(slug for line in LINES for slug in line.slugs))


def verdicts(status=HOLDS, **others):
    """On every claim the same, but for those named with underscores."""
    named = {slug.replace("_", "-"): other for slug, other in others.items()}
    return {slug: verdict(slug, named.get(slug, status)) for slug in SLUGS}


def verdict(slug, status, headroom=None):
    if status == NOT_TESTABLE:
        return Verdict(CLAIMS[slug], status, why="There is no browser.")
    return Verdict(CLAIMS[slug], status, headroom if headroom is not None else (2.0 if status == HOLDS else 0.5))


def deciding(line):
    return [bearing for bearing in line.bearings if bearing.side in (FOR, AGAINST)]


def alone(own_ms=101):
    """A run of one event: all but its work took a millisecond."""
    return simulated.run("inline", 1, own_ms=[own_ms], service_ms=100)


def neighbours(bystander_ms=400):
    """What the step "computing" would measure, as far as a neighbour of A notices."""
    pool = {"process-pool": {"bystander_ms": 2}}
    return simulated.comparison({"inline": {"bystander_ms": bystander_ms, "handler_ms": 400}, **pool}, repeats=1)


def step(name, run, slugs=("one-alone",), *, browser=False):
    return Step(name, f"about {name}", tuple(slugs), run, browser)
