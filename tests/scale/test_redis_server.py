"""A Redis of the lab's own, and somebody else's: started, killed, found, refused."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.base.errors import MissingExtra, RedisError
from labkit.base.text import without_password
from labkit.scale import redis_server
from labkit.scale.redis_server import RedisServer, redis_url, require_answer
from tests.support.helpers import gone, wait_until

redis = pytest.importorskip("redis", reason="pip install 'labkit[scale]'")

needs_program = pytest.mark.skipif(redis_server.program() is None, reason="pip install 'labkit[scale]' brings a Redis")


@pytest.fixture(autouse=True)
def nobody_s(monkeypatch):
    monkeypatch.delenv(redis_server.VARIABLE, raising=False)


@pytest.fixture
def server():
    with RedisServer() as running:
        yield running


@pytest.mark.measured
@needs_program
def test_it_answers_to_its_password_only_and_leaves_nothing(server):
    pid, port = server.pid, redis.Redis.from_url(server.url).connection_pool.connection_kwargs["port"]
    assert require_answer(server.url).split()[0] in ("Redis", "Valkey")
    with pytest.raises(RedisError, match="refuses the password"):
        require_answer(f"redis://:wrong@127.0.0.1:{port}/0")
    assert server.url not in " ".join(psutil.Process(pid).cmdline())
    folder = Path(psutil.Process(pid).cwd())
    server.stop()
    assert gone(pid)
    assert not folder.exists()
    server.stop()


@pytest.mark.measured
@needs_program
def test_killed_it_comes_back_at_the_same_address_with_what_it_was_told_to_keep():
    with RedisServer({"appendonly": "yes", "appendfsync": "always"}) as server:
        url = server.url
        with redis.Redis.from_url(url) as client:
            client.set("a", 1)
        server.kill()
        assert server.pid == 0
        server.start()
        assert server.url == url
        with redis.Redis.from_url(url) as client:
            assert client.get("a") == b"1"


@pytest.mark.measured
@needs_program
def test_without_a_word_of_it_nothing_is_kept(server):
    with redis.Redis.from_url(server.url) as client:
        client.set("a", 1)
    server.kill()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("a") is None


@pytest.mark.measured
@needs_program
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_it_goes_with_a_parent_that_is_killed():
    code = (
        "from labkit.scale.redis_server import RedisServer\nserver = RedisServer()\nserver.start()\n"
        "print(server.pid, flush=True)\ninput()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert wait_until(lambda: gone(pid), 2)


@pytest.mark.measured
@needs_program
def test_one_that_is_named_is_used_and_stays(server, monkeypatch):
    monkeypatch.setenv(redis_server.VARIABLE, server.url)
    with redis_url() as url:
        assert url == server.url
    with redis_url(server.url) as url:
        assert url == server.url
    assert server.pid


@pytest.mark.measured
@needs_program
def test_a_setting_that_it_does_not_know_is_told_in_its_own_words():
    with pytest.raises(RedisError, match=r"does not start \(.*no-such-setting"):
        RedisServer({"no-such-setting": "1"}).start()


@pytest.mark.measured
def test_nobody_answers():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://:secret@127.0.0.1:{closed.getsockname()[1]}/0"
        with pytest.raises(RedisError, match="no Redis answers at redis") as raised:
            require_answer(url)
    assert "secret" not in str(raised.value)


def test_what_is_no_address():
    with pytest.raises(RedisError, match="is no address of a Redis"):
        require_answer("http://example")


def test_without_a_program_or_an_address_it_is_said_how_to_get_one(monkeypatch):
    monkeypatch.setattr(redis_server, "program", lambda: None)
    with pytest.raises(MissingExtra, match=r"labkit\[scale\].*LABKIT_REDIS_URL="):
        redis_server.require()
    monkeypatch.setenv(redis_server.VARIABLE, "redis://example")
    redis_server.require()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:1/0", "redis://:***@host:1/0"),
        ("rediss://me:secret@host", "rediss://me:***@host"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("http://a/b:c@d", "http://a/b:c@d"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert without_password(url) == shown
