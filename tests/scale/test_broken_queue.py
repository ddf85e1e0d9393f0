"""A queue that breaks, or was never there: a sentence, the books closed, nothing left behind."""

import importlib
import re
import sys
import threading
from pathlib import Path

import pytest

import labkit as lab
from labkit.base.errors import RedisError
from labkit.scale import redis_server
from labkit.scale.redis_server import RedisServer
from tests.support.redis_needed import require_redis

redis = pytest.importorskip("redis", reason="pip install 'labkit[scale]'")

pytestmark = pytest.mark.measured

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def own(monkeypatch):
    """A Redis of somebody's own, which the variable names."""
    monkeypatch.delenv(redis_server.VARIABLE, raising=False)
    require_redis()
    with RedisServer() as running:
        monkeypatch.setenv(redis_server.VARIABLE, running.url)
        yield running


def test_one_that_does_not_answer_is_told_before_the_first_run(monkeypatch):
    monkeypatch.setenv(redis_server.VARIABLE, NOBODY)
    told = []
    with pytest.raises(RedisError, match=r"no Redis answers at .*127\.0\.0\.1:1"):
        lab.compare(["inline", "celery"], lab.cpu(1), lab.burst(1), progress=told.append)
    with pytest.raises(RedisError, match="no Redis answers"):
        lab.crossover(["inline", "celery"], service_ms=(1,))
    assert told == []


def test_a_wrong_password_is_told_without_it(own, monkeypatch):
    monkeypatch.setenv(redis_server.VARIABLE, own.url.replace("redis://:", "redis://:wrong-"))
    with pytest.raises(RedisError, match="refuses the password") as raised:
        lab.measure("celery", lab.cpu(1), lab.burst(1))
    assert "wrong-" not in str(raised.value)


def test_a_redis_that_is_lost_for_good_closes_the_books_and_is_named(own):
    before = set(threading.enumerate())
    with lab.serve("celery", lab.cpu(1)) as server:
        killer = threading.Timer(0.7, own.kill)
        killer.start()
        run = lab.fire(server, lab.constant(20, seconds=1.5), timeout_s=2)
        killer.join()
    assert run.unaccounted == 0
    assert run.outcomes["answered"] + run.outcomes["timed out"] == len(run)
    assert run.lost >= 1
    told = {note.kind: str(note) for note in run.quality}
    assert told["queue"].startswith("caution: the server lost its Redis (Cannot receive from redis")
    assert "handlers raised" in told["raised"] or "handler raised" in told["raised"]
    assert own.url not in " ".join(told.values())
    assert [thread.name for thread in threading.enumerate() if thread not in before and thread.is_alive()] == []


def test_a_task_that_cannot_be_sent_as_json_is_named(own, tmp_path, monkeypatch):
    source = Path(importlib.import_module("labkit.strategies.celery").__file__).read_text()
    (tmp_path / "unsendable.py").write_text(source.replace("(request.sid, data)", "(request.sid, object())"))
    monkeypatch.syspath_prepend(tmp_path)
    strategy = lab.strategy(importlib.import_module("unsendable"))
    try:
        run = lab.measure(strategy, lab.cpu(1), lab.burst(2), warm_up=0, timeout_s=1)
    finally:
        del sys.modules["unsendable"]
    assert run.outcomes["timed out"] == len(run)
    (said,) = [str(note) for note in run.quality if note.kind == "raised"]
    assert re.search(r"2 handlers raised .*EncodeError: Object of type object is not JSON serializable", said)
