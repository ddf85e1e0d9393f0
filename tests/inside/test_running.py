"""Which processes of a run are still there."""

import json
import os
import threading

from labkit.base.clock import now_ns
from labkit.inside import running


def says(folder, **about):
    own = folder / "server-1"
    own.mkdir(exist_ok=True)
    (own / "process.json").write_text(json.dumps(about))


def test_a_process_that_outlives_the_one_that_started_it_is_waited_for_until_it_says_that_it_ends(tmp_path):
    says(tmp_path, pid=os.getpid(), ended=False)
    ends = threading.Timer(0.05, says, (tmp_path,), {"pid": os.getpid(), "ended": True})
    began = now_ns()
    ends.start()
    running.wait_for_end(tmp_path, 20)
    ends.join()
    assert 50_000_000 <= now_ns() - began < 10_000_000_000


def test_not_for_ever_and_not_for_those_that_are_gone(tmp_path):
    says(tmp_path, pid=os.getpid(), ended=False)
    began = now_ns()
    running.wait_for_end(tmp_path, 0.05)
    assert now_ns() - began >= 50_000_000
    says(tmp_path, pid=2**22 + 1, ended=False)  # no system has so many
    began = now_ns()
    running.wait_for_end(tmp_path, 20)
    assert now_ns() - began < 10_000_000_000
