"""JSON of a stranger's as a dataclass: every value has the annotated type, or a ValueError says which has not."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.typed import MOST, built, require_above_0, typed


@dataclass(frozen=True)
class Part:
    name: str
    at: int = 0


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    seconds: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    rest: Any = None
    is_open: bool = False


TOLD = {
    "parts": [{"name": "a", "at": 3}, {"name": "é"}],
    "seconds": 2,
    "counts": {"x": 1},
    "words": ["y"],
    "rest": {"z": [None, 1.5]},
    "is_open": True,
}


def test_what_fits_becomes_the_dataclass():
    whole = built(Whole, TOLD)
    assert whole == Whole((Part("a", 3), Part("é")), 2, {"x": 1}, ["y"], {"z": [None, 1.5]}, is_open=True)
    assert built(Whole, {}, parts=()) == Whole(())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"parts": {}}, "parts: {} where tuple is expected"),
        ({"parts": [{"name": 1}]}, "parts: name: 1 where str is expected"),
        ({"parts": [{}]}, "Part is not complete"),
        ({"parts": [[]]}, r"Part is \[\]"),
        ({"seconds": "2"}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"counts": {"x": 1.5}}, "counts"),
        ({"counts": {"x": True}}, "counts"),
        ({"counts": {"x": MOST + 1}}, "counts"),
        ({"words": "y"}, "words"),
        ({"is_open": 1}, "is_open"),
        ({"others": 1}, "Whole has no 'others'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, says):
    with pytest.raises(ValueError, match=says):
        built(Whole, {**TOLD, **change})


def test_half_a_surrogate_pair_is_written_out():
    assert built(Part, {"name": "\ud800!"}) == Part("\\ud800!")
    assert typed(Any, [{"\udfff": "\ud800"}]) == [{"\\udfff": "\\ud800"}]
    assert typed(str, "\U0001f600") == "\U0001f600"


TEXTS = st.text('a"é\ud800', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(list(TOLD)), VALUES))
def test_whatever_json_says_it_is_that_or_a_value_error(told):
    try:
        whole = built(Whole, {**TOLD, **told})
    except ValueError:
        return
    assert all(isinstance(part, Part) for part in whole.parts)
    json.dumps(whole.rest).encode("utf-8")


@pytest.mark.parametrize("value", [0, -1, 10, math.inf, math.nan])
def test_a_number_out_of_bounds_is_refused(value):
    require_above_0(0.1, 9, below=10)
    with pytest.raises(ValueError, match="is not above 0 and below 10"):
        require_above_0(1, value, below=10)
