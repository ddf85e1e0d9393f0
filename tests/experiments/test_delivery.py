"""A real kill -9, in small numbers; and what is refused before anything starts."""

import threading

import pytest

import labkit as lab
from labkit.base.errors import MissingExtra, NotPicklable, UsageError
from labkit.experiments import delivery as experiment
from labkit.scale import redis_server
from labkit.server.serving import require_visible
from tests.support.helpers import nothing_left_behind
from tests.support.redis_needed import require_redis


@pytest.fixture(autouse=True)
def redis_of_our_own(monkeypatch):
    monkeypatch.delenv(redis_server.VARIABLE, raising=False)
    require_redis()


def fired(strategy, fault, events=12, **settings):
    plan = lab.constant(40, events=events, connections=2)
    return lab.delivery(lab.strategy(strategy, workers=1), lab.io_wait(5), plan, fault=fault, **settings)


@pytest.mark.measured
def test_a_server_that_is_killed_loses_nothing_where_clients_have_an_outbox():
    pytest.importorskip("gunicorn", reason="pip install 'labkit[modes]'")
    seen = []
    with nothing_left_behind():
        found = fired("celery-zero-loss", "server", outage_s=0.1, progress=lambda sent, _: seen.append(sent))
    assert found.outbox
    assert (found.lost, found.answered + found.late) == (0, 12)
    assert found.late >= 1
    assert found.fault_ms < found.recovered_ms
    assert (seen[0] < 12, seen[-1]) == (True, 12)


@pytest.mark.measured
def test_of_workers_that_are_killed_is_lost_what_they_had_taken_and_not_what_waited():
    pytest.importorskip("gunicorn", reason="pip install 'labkit[modes]'")
    # A task takes five times as long as the next takes to come. One worker takes one, and Celery four more for it.
    plan, work = lab.constant(10, events=10, connections=2), lab.io_wait(500)
    with nothing_left_behind():
        found = lab.delivery(lab.strategy("celery", workers=1), work, plan, fault="workers", outage_s=0.1, patience_s=2)
    assert not found.outbox
    assert 1 <= found.lost <= 5
    assert found.unacknowledged <= 4
    assert found.late >= 5
    assert (found.duplicates, found.resubmissions, found.restarts) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fault": "meteor"}, "no fault 'meteor': choose from none, pool-child, workers, server, redis, redis-aof"),
        ({"strategy": "inline"}, "inline has no queue"),
        ({"strategy": lab.strategy("celery", workers=0)}, "leave out workers=0"),
        ({"mode": "threading"}, "runs in this process, which cannot be killed"),
        ({"mode": "asgi"}, "celery cannot run in mode 'asgi'"),
        ({"patience_s": 0}, "patience_s must be above 0"),
        (
            {"strategy": lab.strategy("celery-zero-loss", visibility_timeout_s=2), "work": lab.io_wait(9000)},
            "visibility_timeout_s=2 is shorter than a task of io_wait:9000ms, which takes 9000 ms, so the broker would",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(changed, said):
    asked = {"strategy": "celery", "work": lab.io_wait(1), "plan": lab.burst(3), **changed}
    with pytest.raises(UsageError) as raised:
        lab.delivery(**asked)
    assert said in str(raised.value)


def test_wherever_it_is_served_a_task_is_shorter_than_the_visibility_timeout():
    chosen = lab.strategy("celery-zero-loss", visibility_timeout_s=2)
    with pytest.raises(UsageError, match="make it longer than the longest task"):
        lab.serve(chosen, lab.io_wait(2000))
    with pytest.raises(UsageError, match="which takes 2500 ms"):
        require_visible(chosen, lab.call(lambda: 1), 2500.4)
    require_visible(chosen, lab.call(lambda: 1), 1999)
    require_visible(lab.strategy("celery"), lab.call(lambda: 1), 1e9)


def test_work_that_cannot_be_sent_and_no_redis_are_a_sentence_each(monkeypatch):
    lock = threading.Lock()
    with pytest.raises(NotPicklable, match="cannot be sent to another process"):
        lab.delivery("celery", lab.call(lambda: lock), lab.burst(3))
    monkeypatch.setattr(redis_server, "program", lambda: None)
    monkeypatch.setenv(redis_server.VARIABLE, "redis://example")  # nobody kills that
    with pytest.raises(MissingExtra, match="a redis-server of its own is needed"):
        lab.delivery("celery", lab.io_wait(1), lab.burst(3))


class Slow:
    """Clients of which the books are known; answers come one a look, and never more than so many."""

    def __init__(self, answered):
        self.most, self.looks = answered, 0

    def progress(self):
        self.looks += 1
        return 8, min(self.looks, self.most)


class Supervised:
    restarts = 0

    def supervise(self):
        pass


def test_patience_begins_anew_with_every_answer(monkeypatch):
    now = iter(range(0, 10**12, 400_000_000))  # every look at the clock takes 0.4 s
    monkeypatch.setattr(experiment.clock, "now_ns", lambda: next(now))
    monkeypatch.setattr(experiment.clock, "sleep", lambda _: None)
    whole, short = Slow(8), Slow(2)
    for clients in (whole, short):
        experiment._wait_for_all(experiment._Look(clients, None), 8, 1.0, Supervised())
    assert whole.looks == 8
    assert 2 < short.looks < 8
