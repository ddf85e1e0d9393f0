"""A message that could not be sent is kept until the others listen again, and no longer than it was asked to."""

import pytest

pytest.importorskip("redis", reason="pip install 'labkit[scale]'")

import socketio

from labkit.scale import waiting_manager
from labkit.scale.waiting_manager import WaitingManager


@pytest.fixture
def published(monkeypatch):
    """What python-socketio's own attempts come to, in turn: how many it reached, or None where it gave up."""
    comes: list[int | None] = []
    monkeypatch.setattr(socketio.RedisManager, "_publish", lambda self, data: comes.pop(0))
    monkeypatch.setattr(waiting_manager, "_LOOK_S", 0.0)
    return comes


def manager(listening=(), wait_s=5.0):
    made = WaitingManager("redis://nowhere", wait_s=wait_s)
    looks = list(listening)
    made._listening = lambda: looks.pop(0) if looks else -1
    return made, looks


def test_what_is_sent_at_once_is_not_looked_at_again(published):
    published += [3]
    made, looks = manager(listening=[9])
    assert made._publish({}) == 3
    assert looks == [9]


def test_what_was_given_up_is_sent_once_as_many_listen_as_before(published):
    published += [3, None, 3]
    made, looks = manager(listening=[-1, 0, 2, 3])
    assert made._publish({}) == 3
    assert made._publish({}) == 3
    assert (published, looks) == ([], [])


def test_it_is_kept_no_longer_than_was_asked_for(published):
    published += [3, None]
    made, _ = manager(wait_s=0.0)
    made._publish({})
    assert made._publish({}) is None
