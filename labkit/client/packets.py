"""Between events and text frames: before the burst and after it, never during it.

Over a websocket each Engine.IO packet is one text frame: ``4`` (message) and then the Socket.IO packet, such as
``42["message",{"id":7,"payload":1}]`` (https://socket.io/docs/v4/socket-io-protocol/, and Engine.IO protocol 4,
https://github.com/socketio/engine.io-protocol).

Plain events and acknowledgements are all that labkit sends and nearly all that it receives. They are written and read
here, in a line each: python-socketio's own ``Packet`` costs five times as much, and was half of what a client spends
per event. The tests hold both to the same bytes and the same values. Everything else (a namespace, attachments) is read
by ``Packet``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import engineio.packet
import socketio.packet

from labkit.base.clock import NS_PER_MS
from labkit.client import page_json
from labkit.runs.stages import Outcome

#: The event that a strategy handles, and the one that it answers with.
MESSAGE, RESPONSE = "message", "response"

CONNECT = b"40"
HEARTBEAT = b"2"
HEARTBEAT_ANSWER = b"3"
GOODBYE = b"41"

EVENT, ACKNOWLEDGEMENT = b"42", b"43"

#: How nearly every frame begins that a client receives: an event that asks for no acknowledgement, or an
#: acknowledgement. No other kind of websocket frame begins so: one that closes begins with its code, which is below
#: 5000 (RFC 6455, 7.4.2).
USUAL = (b"42[", b"43")

# Made once: `json.dumps` with separators makes an encoder for every call.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().raw_decode


def message(data: list[Any], number: int | None = None) -> bytes:
    """The frame of an event: its name and its arguments; with a number it asks for an acknowledgement."""
    return b"42%b%b" % (b"" if number is None else b"%d" % number, _to_json(data).encode())


def _parsed(
    frame: bytes, read: Callable[[str], tuple[Any, int]] = _from_json, packet_class: Any = socketio.packet.Packet
) -> tuple[int | None, Any]:
    """The number and the data of a frame that is an event or an acknowledgement; ValueError where it is malformed."""
    bracket = frame.find(b"[", 2)
    number = frame[2:bracket]
    if bracket == 2 or (bracket > 2 and number.isdigit()):
        text = frame[bracket:].decode()
        data, end = read(text)
        if end < len(text) and text[end:].strip(" \t\n\r"):
            raise ValueError("more than one JSON value")
        return int(number) if number else None, data
    packet = packet_class(encoded_packet=frame[1:].decode())
    return packet.id, packet.data


def parsed(frame: bytes) -> tuple[int | None, Any]:
    """The number and the data of a frame that is an event or an acknowledgement, as a page reads them.

    Raises:
        Unreadable: Python can read it and no page can (:mod:`labkit.client.page_json`).
        ValueError, RecursionError: it is malformed.
    """
    try:
        return _parsed(frame, page_json.read, page_json.Packet)
    except UnicodeDecodeError:
        raise page_json.no_utf8() from None


def unreadable(frame: bytes) -> tuple[int | None, Any]:
    """The same of a frame that no page can read, as far as Python can; ValueError and RecursionError where not."""
    return _parsed(frame.decode(errors="replace").encode())


def heartbeat_told_ns(handshake: bytes) -> tuple[int, int]:
    """The ping interval and timeout that a server's handshake tells its client; 0 where it does not."""
    try:
        told = engineio.packet.Packet(encoded_packet=handshake.decode()).data
        return round(told["pingInterval"] * NS_PER_MS), round(told["pingTimeout"] * NS_PER_MS)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return 0, 0


def event(number: int, payload: Any, name: str = MESSAGE, *, acknowledge: bool = False) -> bytes:
    """The frame of one event of the plan; `number` comes back in its answer, and in its acknowledgement if asked."""
    return message([name, {"id": number, "payload": payload}], number if acknowledge else None)


def ping(number: int, name: str) -> bytes:
    """The frame of an event without data that asks for an acknowledgement."""
    return message([name], number)


def acknowledged(frame: bytes) -> int:
    """The number of the ping that a frame acknowledges; -1 where it is no acknowledgement."""
    if not frame.startswith(ACKNOWLEDGEMENT):
        return -1
    try:
        number, _ = parsed(frame)
    except (ValueError, RecursionError):
        return -1
    return -1 if number is None else number


def acknowledgement(frame: bytes) -> bytes | None:
    """What a client owes to a frame: ``43`` and its number, where it has one (``427["response",...]``); else None."""
    if not frame.startswith(EVENT) or not frame[2:3].isdigit():
        return None
    number, bracket, _ = frame[2:].partition(b"[")
    return b"43" + number + b"[]" if bracket and number.isdigit() else None


@dataclass(frozen=True)
class Answer:
    """One answer out of a frame.

    Attributes:
        event: its number in the plan; -1 where it cannot be told.
        status: a :class:`~labkit.runs.stages.Outcome` of an answer (whether it is WRONG is not known here).
        result: what the work returned.
        message: what went wrong, where something did.
        start_ns, end_ns, cpu_ns: the work's own stamps; 0 where it did not run.
    """

    event: int
    status: int
    result: Any = None
    message: str = ""
    start_ns: int = 0
    end_ns: int = 0
    cpu_ns: int = 0


def answers(frame: bytes) -> list[Answer]:
    """The answers that a frame carries: none where it is another event, several where the server sends batches.

    Of a frame that no page can read every answer is unreadable, and another event is an answer to nothing: it costs the
    page its connection all the same.
    """
    if not frame.startswith(EVENT):
        return []
    why = ""
    try:
        try:
            _, data = parsed(frame)
        except page_json.Unreadable as refused:
            why, (_, data) = str(refused), unreadable(frame)
        name, *arguments = data
    except (ValueError, TypeError, RecursionError) as error:
        return [Answer(-1, Outcome.GARBLED, message=f"not a Socket.IO packet ({error}): {frame[:60]!r}")]
    if name != RESPONSE:
        return [Answer(-1, Outcome.UNREADABLE, message=why)] if why else []
    body = arguments[0] if arguments else None
    found = [_answer(item) for item in (body if isinstance(body, list) else [body])]
    return [replace(one, status=Outcome.UNREADABLE, result=None, message=why) for one in found] if why else found


def _answer(item: Any) -> Answer:
    number = item.get("id") if isinstance(item, dict) else None
    if type(number) is not int:
        return Answer(-1, Outcome.GARBLED, message=f"an answer without an id: {str(item)[:60]}")
    stamps = {key: item.get(key, 0) for key in ("start_ns", "end_ns", "cpu_ns")}
    if any(type(value) is not int or not 0 <= value < 2**63 for value in stamps.values()):
        return Answer(number, Outcome.GARBLED, message="an answer whose stamps are no integers of 64 bits")
    if "result" in item:
        return Answer(number, Outcome.ANSWERED, item["result"], **stamps)
    if "error" in item:
        return Answer(number, Outcome.FAILED, message=str(item["error"])[:500], **stamps)
    if item.get("busy"):
        return Answer(number, Outcome.SHED)
    if item.get("superseded"):
        return Answer(number, Outcome.SUPERSEDED)
    return Answer(number, Outcome.GARBLED, message=f"an answer with neither a result nor an error: {str(item)[:60]}")


def same(result: Any, expected: Any) -> bool:
    """Whether an answer is the expected one, both as JSON gives them back."""
    if result == expected:
        return True
    # NaN, which Python's JSON passes through, is not equal to itself.
    return json.dumps(result, sort_keys=True) == json.dumps(expected, sort_keys=True)
