"""The thread that listens to a message queue ends with its server: without a Redis, on a manager made by hand."""

import queue

import pytest

from labkit.server import message_queue


class Manager:
    """As python-socketio's RedisManager, as far as it is touched."""

    channel = "app"

    def __init__(self):
        self.messages = queue.SimpleQueue()
        self.connected = 0
        self.redis = self
        self.pubsub = None

    def _redis_connect(self):
        self.connected += 1
        self.pubsub = self

    def _listen(self):
        while True:
            yield self.messages.get()

    def publish(self, channel, message):
        assert channel == self.channel
        self.messages.put(message)


@pytest.fixture
def stopping():
    """A manager, and what stops its server."""
    manager, said = Manager(), []

    def sleep(seconds=0):
        if said:
            raise SystemExit

    message_queue.end_at_stop(manager, sleep)
    return manager, lambda: said.append("stop")


def test_messages_pass_until_the_stop_and_then_the_thread_ends(stopping):
    manager, stop = stopping
    manager._redis_connect()
    heard = manager._listen()
    manager.publish("app", "one")
    assert next(heard) == "one"
    stop()
    message_queue.wake(manager)
    with pytest.raises(SystemExit):
        next(heard)


def test_one_that_lost_its_redis_does_not_look_for_it_after_the_stop(stopping):
    manager, stop = stopping
    manager._redis_connect()
    stop()
    with pytest.raises(SystemExit):
        manager._redis_connect()
    assert manager.connected == 1


def test_waking_one_whose_redis_is_gone_or_that_never_listened_does_no_harm(stopping):
    manager, _ = stopping
    message_queue.wake(manager)
    assert manager.messages.empty()
    manager._redis_connect()
    manager.redis = None
    message_queue.wake(manager)


def test_a_manager_without_a_queue_stays_as_it_is():
    manager = object()
    message_queue.end_at_stop(manager, lambda seconds: None)
    message_queue.wake(manager)
