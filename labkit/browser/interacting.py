"""Clicks on one page under several settings, in turn, in one browser: what slows a machine for a while slows all."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from labkit import experiment
from labkit.browser import measuring
from labkit.browser.driver import one_browser
from labkit.browser.rendering import Rendering
from labkit.errors import UsageError


def interact_each(
    variants: Mapping[str, Mapping[str, Any]],
    *,
    repeats: int = 1,
    seed: int = 0,
    required: bool = True,
    **settings: Any,
) -> Rendering:
    """Click under several settings of :func:`interact`, interleaved in random order, `repeats` times each.

    One browser is started for all of them.

    Args:
        variants: of each the name under which it is shown, and its settings, as ``{"A": {"exhibit": "inline"}}``.
        repeats: runs of each.
        seed: of the order.
        required: as in `render`.
        settings: what all share.

    Raises:
        As :func:`interact`.
    """
    if repeats < 1 or not variants:
        raise UsageError("give at least one variant, and 1 or more repeats")

    names = list(variants)

    def steps() -> Iterator[Rendering]:
        found = Rendering(())
        with one_browser():
            for name in experiment.interleaved(names, repeats, seed):
                found += measuring.interact(**{**settings, **variants[name]}, name=name)
                yield replace(found, measured=tuple(sorted(found.measured, key=lambda each: names.index(each.name))))

    return measuring.measured(required, steps)
