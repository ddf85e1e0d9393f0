"""Clients that come back: what they may be asked, and that they go with who started them."""

import pytest

from labkit.base.errors import ConnectFailed, MissingExtra, UsageError
from labkit.client import audience
from labkit.client.audience import Audience, Manners, Sending
from tests.support.helpers import nothing_left_behind


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


def test_a_sending_is_one_message_of_its_own():
    assert Sending(0, 0).count == 1
