"""Calls in processes of their own: at one instant, nothing left behind, and a sentence where one fails."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from labkit.base.errors import WorkloadError
from labkit.experiments.apart import in_processes
from labkit.experiments.at_once import judged
from labkit.plan.work import Calculation
from tests.support.helpers import nothing_left_behind

pytestmark = pytest.mark.measured


def sleeps(payload):
    time.sleep(0.1)
    return [payload, os.getpid()]


def ends(payload):
    os._exit(3)


def test_each_process_calls_all_of_its_payloads_and_the_last_counts():
    with nothing_left_behind():
        spans, together = in_processes(Calculation(sleeps), [["warm", 1], [2]], 20, "jobs:price")
    (one, first), (two, second) = (span.answer["result"] for span in spans)
    assert (one, two) == (1, 2)
    assert len({first, second, os.getpid()}) == 3
    if together:  # which a busy machine prevents at times
        assert judged("processes", spans, [100.0, 100.0]).width == 2


def test_a_lock_of_the_system_is_seen_across_processes():
    fcntl = pytest.importorskip("fcntl")
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "lock"

        def work(payload):
            with name.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                time.sleep(0.1)

        spans, _ = in_processes(Calculation(work), [[1], [2]], 20, "jobs:price")
    assert judged("processes", spans, [100.0, 100.0]).one_at_a_time


def test_a_process_that_ends_or_hangs_is_one_sentence():
    with nothing_left_behind(), pytest.raises(WorkloadError, match="jobs:price gave no result in another process"):
        in_processes(Calculation(ends), [[1], [2]], 20, "jobs:price")
    with nothing_left_behind(), pytest.raises(WorkloadError, match="did not return within 1 s in another process"):
        in_processes(Calculation(lambda payload: time.sleep(20)), [[1], [2]], 1, "jobs:price")
