"""What a page can read, of what Python writes; and of which numbers it loses digits."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.client import page_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def leaves(value):
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return leaves(list(value.values())) if isinstance(value, dict) else [value]


@settings(deadline=None)  # the machine may be busy
@given(VALUES)
def test_what_python_writes_is_readable_unless_a_number_in_it_is_not_finite(value):
    text = json.dumps(value)
    if any(isinstance(leaf, float) and not math.isfinite(leaf) for leaf in leaves(value)):
        with pytest.raises(page_json.Unreadable, match=r"no page can read it: (NaN|-?Infinity) is no JSON; socket\.io"):
            page_json.read(text)
    else:
        assert page_json.read(text) == (json.loads(text), len(text))


@pytest.mark.parametrize("text", ["NaN", "[1, Infinity]", '{"a": {"b": [-Infinity]}}'])
def test_what_javascript_refuses_is_unreadable(text):
    """Refused by JSON.parse of V8 (node 20), as here."""
    with pytest.raises(page_json.Unreadable):
        page_json.read(text)


@pytest.mark.parametrize("text", ["1e400", '"\\ud800"', '{"a": 1, "a": 2}', '"NaN"', '{"NaN": 1}', '"\u2028"', "null"])
def test_what_javascript_takes_is_readable(text):
    """Taken by JSON.parse of V8 (node 20): too large a number is Infinity, half of a surrogate pair stays one."""
    assert page_json.read(text) == (json.loads(text), len(text))


@settings(deadline=None)  # the machine may be busy
@given(VALUES)
def test_whole_numbers_that_a_double_may_not_hold_are_found_wherever_they_are(value):
    beyond = [leaf for leaf in leaves(value) if isinstance(leaf, int) and abs(leaf) > 2**53 - 1]
    found = page_json.rounded(json.loads(json.dumps(value)))
    assert (found in beyond) if beyond else found is None
    assert page_json.has_long_digits(json.dumps(value).encode()) or not beyond


@pytest.mark.parametrize(
    ("number", "is_lost"), [(2**53 - 1, False), (2**53, True), (1 - 2**53, False), (-(2**53), True)]
)
def test_the_bound_is_javascripts_own(number, is_lost):
    assert (page_json.rounded([number]) is not None) == is_lost
    assert page_json.has_long_digits(b"%d" % number)
