"""Locust run here: its rows are a run, an interrupt keeps them, and nothing of it stays."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from labkit.base import processes
from labkit.base.errors import ConnectFailed, MissingExtra, UsageError
from labkit.scale import locust_process
from labkit.scale.locustfile import LocustPlan
from tests.support.helpers import gone, nothing_left_behind, wait_until
from tests.support.strange_app import running

#: It is looked for and not imported: that would patch this process.
needs_locust = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None, reason="Locust is needed: pip install 'labkit[locust]'"
)

URL = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def flask():
    with running("flask") as url:
        yield url


def test_without_locust_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'labkit\[locust\]'"):
        locust_process.run(LocustPlan(URL))


@pytest.mark.parametrize(
    ("plan", "workers", "told"),
    [
        ({}, 0, "0 workers cannot share 10 clients"),
        ({"clients": 1}, 2, "2 workers cannot share 1 clients"),
        ({"url": "http://192.0.2.1"}, 2, "is not this machine: take the locustfile to machines of yours"),
    ],
)
def test_what_cannot_be_run_here_is_refused(plan, workers, told, monkeypatch):
    monkeypatch.setattr(locust_process, "require", lambda: None)
    with pytest.raises(UsageError, match=told):
        locust_process.run(LocustPlan(**{"url": URL, **plan}), workers)


@pytest.mark.measured
def test_a_server_that_is_not_there_is_a_sentence_at_once(monkeypatch):
    monkeypatch.setattr(locust_process, "require", lambda: None)
    with pytest.raises(ConnectFailed, match="nothing listens at http://127"):
        locust_process.run(LocustPlan(URL))


@needs_locust
@pytest.mark.measured
def test_every_event_is_a_row_and_the_rows_are_a_run(flask):
    """About 40 Poisson arrivals from 4 clients of 2 workers; fewer than 15 or more than 80 are beyond 4 sigma."""
    plan = LocustPlan(
        flask, event="order", data=[{"id": "{counter}"}], response="ordered", match="id=order.id",
        rate_hz=80, seconds=0.5, clients=4, timeout_s=0.5,
    )  # fmt: skip
    with nothing_left_behind(timeout_s=5):
        run, interrupt = locust_process.run(plan)
    assert interrupt is None
    assert 15 < len(run) < 80
    assert run.outcomes["answered"] == len(run)
    assert run.unaccounted == 0
    assert run.plan.connections == 4
    assert (run.events["sent"] >= run.events["intended"]).all()
    assert np.isfinite(run.own_ms).all()
    assert run.own_ms.min() > 0
    assert "locust" not in sys.modules


def labkit_locust(url, folder, *more):
    command = [Path(sys.executable).with_name("labkit"), "locust", url, "--event", "price", "--run", "--out", folder]
    return subprocess.Popen([*map(str, command), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def begun(parent):
    """The processes of Locust, once a client has connected."""

    def found():
        workers = [each for each in processes.descendants(parent.pid) if "locust" in " ".join(each.cmdline())]
        return [each.pid for each in workers] if any(_has_client(each) for each in workers) else []

    assert wait_until(found, 20)
    return found()


def _has_client(process):
    return sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections("tcp")) > 2


class Interrupted:
    """A process that somebody interrupts the wait for, once, and that ends then."""

    def __init__(self):
        self.waits = []

    def wait(self, timeout_s):
        self.waits.append(timeout_s)
        if len(self.waits) == 1:
            raise KeyboardInterrupt


def test_an_interrupt_asks_for_the_end_and_waits_for_the_rows(tmp_path):
    master, worker = Interrupted(), Interrupted()
    worker.waits.append("not interrupted")
    found = locust_process._ended({"master": master, "worker-0": worker}, tmp_path / "stop", 60)
    assert isinstance(found, KeyboardInterrupt)
    assert (tmp_path / "stop").exists()
    assert [len(each.waits) for each in (master, worker)] == [2, 2]


@needs_locust
@pytest.mark.measured
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_it_goes_with_a_parent_that_is_killed(flask, tmp_path):
    command = labkit_locust(flask, tmp_path / "kept", "--seconds", "60")
    pids = begun(command)
    command.kill()
    command.communicate()
    assert wait_until(lambda: all(gone(pid) for pid in pids))
