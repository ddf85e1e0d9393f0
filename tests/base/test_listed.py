"""One value, or several of them."""

import numpy as np
import pytest

from labkit.base.listed import is_number, listed


@pytest.mark.parametrize(
    ("given", "values"),
    [(0.9, [0.9]), ((0.5, 0.9), [0.5, 0.9]), ([], []), ("0.9", ["0.9"]), (None, [None]), (range(2), [0, 1])],
)
def test_one_value_is_a_list_of_one_and_a_text_is_one_value(given, values):
    assert listed(given) == values


def test_an_array_is_its_values():
    assert listed(np.array([1.0, 2.0])) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "says"), [(1, True), (0.5, True), (np.float64(2), True), (True, False), ("1", False)]
)
def test_a_number_is_no_text_and_no_truth(value, says):
    assert is_number(value) is says
