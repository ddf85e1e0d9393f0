"""A call that may never return is given up, and says so."""

import threading

import pytest

from labkit.base.errors import WorkloadError
from labkit.base.time_limit import call_within


def test_what_it_returns():
    assert call_within(5, "work", lambda: None) is None
    assert call_within(5, "work", lambda: 7) == 7


def test_what_it_raises_is_raised_here():
    with pytest.raises(KeyError, match="lost"):
        call_within(5, "work", lambda: {}["lost"])


def test_one_that_does_not_return_is_given_up_in_a_sentence():
    release = threading.Event()
    try:
        with pytest.raises(WorkloadError, match=r"^jobs:hang did not return within 0\.05 s: mend it"):
            call_within(0.05, "jobs:hang", release.wait)
    finally:
        release.set()


def test_its_thread_keeps_no_process_from_ending():
    assert call_within(5, "work", lambda: threading.current_thread().daemon)
