"""Clients that come back: what they may be asked, and that they go with who started them."""

import os
import signal
import subprocess
import sys

import pytest

from labkit.base.errors import ConnectFailed, MissingExtra, UsageError
from labkit.client import audience
from labkit.client.audience import Audience, Manners, Sending
from tests.support.helpers import gone, nothing_left_behind, wait_until


@pytest.mark.parametrize(
    ("given", "said"), [({"transport": "carrier pigeon"}, "websocket or polling"), ({"reconnect_s": 0}, "reconnect_s")]
)
def test_manners_that_make_no_sense_are_refused(given, said):
    with pytest.raises(UsageError, match=said):
        Manners(**given)


def test_without_aiohttp_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(audience.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"labkit\[modes,scale\]"):
        Audience()


@pytest.mark.measured
def test_nobody_answers_there():
    with nothing_left_behind(), Audience() as clients, pytest.raises(ConnectFailed, match="a client cannot connect"):
        clients.connect("http://127.0.0.1:1", 1, 1)


@pytest.mark.measured
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_they_go_with_a_parent_that_is_killed_while_they_wait():
    code = (
        "from labkit.client.audience import Audience, Sending\nclients = Audience()\nclients.launch()\n"
        "clients.order('fire', (), 0, 0, 0)\n"
        "clients.send('fire', (), 60, 60, 60)\nprint(clients.pid, flush=True)\ninput()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert wait_until(lambda: gone(pid), 2)


def test_a_sending_is_one_message_of_its_own():
    assert Sending(0, 0).count == 1
