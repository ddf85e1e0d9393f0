"""Several servers: refused, started, killed, restarted, and gone with whoever started them."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from labkit.base.errors import MissingExtra, NotStarted, UsageError
from labkit.scale import servers as module
from labkit.scale.redis_server import RedisServer
from labkit.scale.servers import Servers
from tests.support.helpers import gone, nothing_left_behind, wait_until
from tests.support.scaled import needs_servers

POLL = "/socket.io/?EIO=4&transport=polling"


def served_by(url):
    with urllib.request.urlopen(f"{url}{POLL}", timeout=5) as answer:
        return answer.headers["X-Served-By"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 0}, "count must be 1 to 16"),
        ({"count": 17}, "count must be 1 to 16"),
        ({"threads": 1}, "threads must be 2 or more"),
        ({"app": "shop"}, "module:app"),
        ({"app": "shop:app", "settings": {"a": {}}}, "settings are for the lab's own app"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(given, said):
    with pytest.raises(UsageError, match=said):
        Servers(**{"queue": "redis://localhost", **given})


def test_a_server_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UsageError, match="no server 'z': there are none before start"):
        Servers(queue="redis://localhost").kill("z")


def test_without_gunicorn_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"labkit\[modes,scale\]"):
        module.require()


@pytest.mark.measured
@needs_servers
def test_clients_are_dealt_out_and_one_that_was_killed_comes_back():
    with nothing_left_behind(), RedisServer() as redis, Servers(count=2, queue=redis.url) as servers:
        assert {served_by(servers.url) for _ in range(4)} == {"a", "b"}
        pids = servers.pids("a")
        assert len(pids) == 2  # an arbiter and its worker
        servers.kill("a")
        assert all(gone(pid) for pid in pids)
        assert {served_by(servers.url) for _ in range(4)} == {"b"}  # nobody is refused meanwhile
        servers.restart("a")
        assert wait_until(lambda: served_by(servers.url) == "a")
        servers.drain("b")
        assert {served_by(servers.url) for _ in range(4)} == {"a"}
        servers.stop()
        servers.stop()


@pytest.mark.measured
@needs_servers
def test_an_app_that_does_not_start_is_told_in_its_own_words(tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('no such table: prices')\n")
    servers = Servers("broken:app", count=1, queue="redis://127.0.0.1:1/0", folder=tmp_path)
    with nothing_left_behind(), pytest.raises(NotStarted, match="server a does not start") as raised:
        servers.start()
    assert "no such table: prices" in str(raised.value)


@pytest.mark.measured
@needs_servers
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_they_go_with_a_parent_that_is_killed():
    code = (
        "from labkit.scale.servers import Servers\n"
        "servers = Servers(count=1, queue='redis://127.0.0.1:1/0')\nservers.start()\n"
        "print(servers._proxy.pid, *servers.pids('a'), flush=True)\ninput()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pids = [int(each) for each in parent.stdout.readline().split()]
    assert len(pids) == 3
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert wait_until(lambda: all(gone(pid) for pid in pids), 5)
