"""The app that several servers serve: its message queue's end, and what its handlers answer."""

import pytest

pytest.importorskip("redis", reason="pip install 'labkit[scale]'")

import socketio

from labkit.scale import room_app
from labkit.scale.waiting_manager import WaitingManager


def test_its_message_queue_is_the_one_that_is_asked_for():
    plain = room_app.manager("redis://:word@host:1/0", "c", {"socket_timeout": 5})
    assert type(plain) is socketio.RedisManager
    assert (plain.redis_url, plain.redis_options) == ("redis://:word@host:1/0", {"socket_timeout": 5})
    assert room_app.manager("redis://host", "c", {"client": "valkey"}).redis_url == "valkey://host"
    assert isinstance(room_app.manager("redis://host", "c", {"waiting": True}), WaitingManager)


def test_patience_does_not_give_up():
    assert room_app.manager("redis://host", "c", {"patient": True}).redis_options["retry"].get_retries() > 10_000


def test_without_a_queue_a_room_hears_what_is_said():
    app, socketio_ = room_app.make("", "c", {})
    first, second = (socketio_.test_client(app) for _ in range(2))
    first.emit("say", {"id": 1})
    first.emit("say_each", {"ids": [2, 3]})
    first.emit("say_large", {"id": 4, "bytes": 5})
    heard = [each["args"][0] for each in second.get_received()]
    assert heard == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4, "text": "xxxxx"}]
    assert first.emit("echo", 7, callback=True) == 7
