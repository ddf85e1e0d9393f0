"""The app that several servers serve where the reader gives none: a room of everybody, and an echo.

It is served by gunicorn as ``labkit.scale.room_app:app``. What differs from server to server stands in its environment.
"""

import json
import os
from typing import Any

from flask import Flask
from flask_socketio import SocketIO, emit, join_room

#: In the environment: where the message queue is. An app of the reader's reads it there, too.
QUEUE = "LABKIT_REDIS_URL"

#: In the environment: further settings of this app, as JSON; see :func:`manager`.
SETTINGS = "LABKIT_ROOM_APP"

#: Its name, as gunicorn takes it.
NAME = "labkit.scale.room_app:app"

ROOM = "everybody"


def manager(url: str, channel: str, settings: dict[str, Any]) -> Any:
    """The message queue's end in a server.

    Args:
        url: of a Redis.
        channel: of the messages: a Redis may serve others, too.
        settings: of its connection, such as ``{"socket_timeout": 5}``. ``"patient": true`` stands for a `Retry` that
            does not give up, which JSON cannot say, ``"client": "valkey"`` for valkey-py instead of redis-py, and
            ``"waiting": true`` for a :class:`~labkit.scale.waiting_manager.WaitingManager`.
    """
    import socketio

    options = dict(settings)
    if options.pop("waiting", False):
        from labkit.scale.waiting_manager import WaitingManager

        return WaitingManager(url, channel=channel, redis_options=options)
    url = url.replace("redis://", f"{options.pop('client', 'redis')}://", 1)
    if options.pop("patient", False):
        options |= patience()
    return socketio.RedisManager(url, channel=channel, redis_options=options)


def patience() -> dict[str, Any]:
    """Options of redis-py with which it tries again, instead of giving up, while a Redis is away."""
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    return {"retry": Retry(ConstantBackoff(0.1), 100_000)}


def make(url: str, channel: str, settings: dict[str, Any]) -> tuple[Flask, SocketIO]:
    """The app, and its Socket.IO."""
    made = Flask("labkit.room")
    # On threads, as gunicorn's gthread has them; a large event has to be let in.
    queue: dict[str, Any] = {"client_manager": manager(url, channel, settings)} if url else {}
    socketio = SocketIO(made, async_mode="threading", max_http_buffer_size=100_000_000, **queue)

    for name, handler in {"say": _say, "say_each": _say_each, "say_large": _say_large, "echo": _echo}.items():
        socketio.on_event(name, handler)
    socketio.on_event("connect", _come)
    return made, socketio


def _come() -> None:
    join_room(ROOM)


def _say(data: Any) -> None:
    emit("said", data, to=ROOM)


def _say_each(data: Any) -> None:
    """Several emits of one handler, one after the other."""
    for number in data["ids"]:
        emit("said", {"id": number}, to=ROOM)


def _say_large(data: Any) -> None:
    emit("said", {"id": data["id"], "text": "x" * data["bytes"]}, to=ROOM)


def _echo(data: Any) -> Any:
    return data


if QUEUE in os.environ and SETTINGS in os.environ:  # in a server; whoever only imports this starts nothing
    _given = json.loads(os.environ[SETTINGS])
    app, socketio = make(os.environ[QUEUE], _given["channel"], _given["queue"])
