"""Whether a fault happened and its remedy helped goes by what was lost."""

import pytest

from labkit.runs.remedies import Fault, Seen


def fault_of(*seen):
    return Fault("a fault", "whoever is bitten.", "Do something.", "a source", seen)


@pytest.mark.parametrize(
    ("fault", "remedy", "helped", "said"),
    [
        (5, 0, True, "happened; the remedy helped: nothing lost"),
        (5, 1, True, "happened; the remedy helped, 1 still lost"),
        (5, 5, False, "happened; the remedy did not help"),
        (0, 0, None, "did not happen here"),
    ],
)
def test_the_verdict_goes_by_what_was_lost(fault, remedy, helped, said):
    one = fault_of(Seen("fault", "as it comes", fault, 10), Seen("remedy", "mended", remedy, 10))
    assert (one.helped, one.verdict) == (helped, said)
    assert one.to_dict()["helped"] is helped
    assert f"remedy: mended: {remedy} of 10 lost" in repr(one)


def test_what_is_beside_fault_and_remedy_decides_nothing():
    one = fault_of(Seen("fault", "x", 5, 10), Seen("also", "y", 10, 10), Seen("remedy", "z", 0, 10))
    assert one.helped
