"""A Redis and the workers of a strategy: there together, gone together, whoever ends."""

import itertools
import os
import subprocess
import sys
import threading

import psutil
import pytest

from labkit import burst, cpu, fire, measure, serve, strategy
from labkit.base.errors import MissingExtra, NotPicklable, RedisError, ServerError
from labkit.plan.work import Calculation
from labkit.scale import redis_server
from labkit.scale.backing import Backing
from labkit.scale.queue_process import QueueProcess
from labkit.scale.redis_server import RedisServer
from tests.support.helpers import echo, gone, nothing_left_behind, wait_until
from tests.support.redis_needed import require_redis

redis = pytest.importorskip("redis", reason="pip install 'labkit[scale]'")

pytestmark = pytest.mark.measured


@pytest.fixture(autouse=True)
def redis_of_our_own(monkeypatch):
    monkeypatch.delenv(redis_server.VARIABLE, raising=False)
    require_redis()


class Absent:
    """What a worker cannot import."""

    def __reduce__(self):
        return _absent, ()


def _absent():
    raise ImportError("no such thing")


def ending():
    """Workers that end before they take a task."""
    from celery import Celery

    def work(complex_calculation):
        assert Celery
        raise RuntimeError("so it goes")

    return QueueProcess(work, echo, {})


@pytest.fixture
def own(monkeypatch):
    """A Redis of somebody's own, which the variable names."""
    with RedisServer() as running:
        monkeypatch.setenv(redis_server.VARIABLE, running.url)
        yield running


def test_both_are_there_together_and_gone_together():
    before = set(psutil.Process().children(recursive=True))
    with nothing_left_behind():
        with Backing(strategy("celery"), Calculation(echo)) as at_queue:
            below = set(psutil.Process().children(recursive=True)) - before
            # The warden, Redis, who leads the workers, and the workers.
            assert len(below) == 3 + max(1, (os.cpu_count() or 2) - 1)
            assert at_queue.options["message_queue"] == at_queue.parameters["url"]
        assert all(gone(each.pid) for each in below)


def test_a_strategy_keeps_its_name_and_shows_no_password():
    with serve(strategy("celery", workers=1), cpu(1)) as server:
        run = fire(server, burst(3))
    assert (run.strategy, dict(run.conditions.parameters)) == ("celery, workers=1", {"workers": 1})
    assert ":***@" in run.conditions.options["message_queue"]
    assert run.outcomes["answered"] == 3


def test_every_stage_is_stamped_on_the_one_clock_also_what_a_worker_does():
    run = measure("celery", cpu(5), burst(6))
    stages = ["sent", "read", "handler_start", "work_start", "work_end", "emitted", "delivered"]
    for earlier, later in itertools.pairwise(stages):
        assert (run.between_ms(earlier, later) >= 0).all(), (earlier, later)
    assert len(run.service_ms) == 6


def test_it_starts_again_where_it_was():
    server = serve("celery", cpu(1))
    try:
        server.stop()
        server.start()
        assert fire(server, burst(3)).outcomes["answered"] == 3
    finally:
        server.stop()


def test_a_redis_of_somebody_s_own_stays_and_keeps_nothing_of_ours(own):
    assert measure("celery", cpu(1), burst(3)).outcomes["answered"] == 3
    with redis.Redis.from_url(own.url) as client:
        assert not [key for key in client.scan_iter() if b"labkit-" in key]


def test_a_redis_of_somebody_s_own_serves_again_and_again_and_others_keep_their_connections(own):
    from celery import Celery

    theirs = Celery("theirs", broker=own.url)
    with theirs.pool.acquire(block=True) as connection:
        connection.ensure_connection(max_retries=1)
    for _ in range(2):
        assert measure("celery", cpu(1), burst(3)).outcomes["answered"] == 3
    with theirs.pool.acquire(block=True) as connection:
        assert connection.connected


@pytest.mark.parametrize("killed", ["lead", "parent"])
def test_the_workers_end_with_who_leads_them_and_with_their_parent(killed, tmp_path):
    code = (
        "import labkit as lab, psutil\nserver = lab.serve('celery', lab.cpu(1))\n"
        "print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)\ninput()"
    )
    with (tmp_path / "log").open("w") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    assert parent.stdout is not None
    below = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    lead = next(each for each in below if "queue_worker" in " ".join(each.cmdline()))
    (lead if killed == "lead" else parent).kill()
    workers = [each for each in below if each != lead and "celery" in " ".join(each.cmdline())]
    if killed == "parent":
        assert wait_until(lambda: all(gone(each.pid) for each in below), 2)
    parent.communicate()
    assert wait_until(lambda: all(gone(each.pid) for each in [*below, *workers]), 2)


def test_work_that_cannot_be_sent_and_workers_that_end_are_a_sentence_each():
    lock = threading.Lock()
    with nothing_left_behind(), pytest.raises(NotPicklable, match="cannot be sent to a worker"):
        Backing(strategy("celery"), Calculation(lambda payload: lock)).start()

    with (
        pytest.raises(ServerError, match=r"cannot import .*no such thing"),
        QueueProcess(Absent(), echo, {}) as workers,
    ):
        workers.begin()
    with pytest.raises(ServerError, match=r"the workers have ended \(.*so it goes"), ending() as workers:
        workers.begin()


def test_a_redis_that_does_not_answer_is_said_before_anything_starts(monkeypatch):
    monkeypatch.setenv(redis_server.VARIABLE, "redis://:secret@127.0.0.1:1/0")
    with nothing_left_behind(), pytest.raises(RedisError, match="no Redis answers at redis"):
        measure("celery", cpu(1), burst(3))


def test_without_a_redis_nothing_starts(monkeypatch):
    monkeypatch.setattr(redis_server, "program", lambda: None)
    with nothing_left_behind(), pytest.raises(MissingExtra, match="a Redis is needed"):
        measure("celery", cpu(1), burst(3))
