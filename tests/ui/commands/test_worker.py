"""``labkit worker``: the other end of a queue, in a terminal of its own."""

import signal
import subprocess
import sys

import pytest

from labkit import burst, cpu, measure, strategy
from labkit.scale import redis_server
from labkit.scale.redis_server import RedisServer
from tests.support.helpers import taking_interrupts
from tests.support.redis_needed import require_redis
from tests.ui.commands.test_main import labkit


@pytest.mark.measured
def test_it_calculates_for_a_server_that_starts_no_workers(monkeypatch, tmp_path):
    require_redis()
    with RedisServer() as redis, (tmp_path / "log").open("w") as log, taking_interrupts():
        monkeypatch.setenv(redis_server.VARIABLE, redis.url)
        command = [sys.executable, "-m", "labkit", "worker", "cpu:1ms", "--queue=q", "--workers=1"]
        with subprocess.Popen(command, stdout=log, stderr=log) as worker:
            try:
                run = measure(strategy("celery", workers=0, queue="q"), cpu(1), burst(3), timeout_s=20)
            finally:
                worker.send_signal(signal.SIGINT)
                code = worker.wait(20)
    assert run.outcomes["answered"] == 3
    assert code == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.measured
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cpu:1ms", "--broker=redis://:secret@127.0.0.1:1/0"], 1, "no Redis answers at redis://:***@127.0.0.1:1/0"),
        (["cpu:1ms", "--broker=http://x"], 1, "is no address of a Redis"),
        (["no.such:thing", "--broker=redis://"], 2, "no.such"),
        (["cpu:1ms", "--broker=redis://", "--strategy=inline"], 2, "inline has no workers"),
        (["cpu:1ms"], 2, "missing option '--broker'"),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments, code, said, monkeypatch):
    require_redis()
    monkeypatch.delenv(redis_server.VARIABLE, raising=False)
    result = labkit("worker", *arguments)
    assert result.exit_code == code
    assert said in result.output
    assert "Traceback" not in result.output
    assert "secret" not in result.output
