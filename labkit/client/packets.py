"""Between events and frames: before the burst and after it, never during it.

Over a websocket each Engine.IO packet is one text frame: ``4`` (message) and then the Socket.IO packet, such as
``42["message",{"id":7,"payload":1}]`` (https://socket.io/docs/v4/socket-io-protocol/, and Engine.IO protocol 4,
https://github.com/socketio/engine.io-protocol). In another namespace than the root its name and a comma follow the
first two digits. Bytes travel behind the text, each in a binary frame of its own.

Events and acknowledgements without bytes are nearly all that labkit sends and receives. They are written and read
here, in a line each: python-socketio's own ``Packet`` costs five times as much, and was half of what a client spends
per event. The tests hold both to the same bytes and the same values. Everything else (bytes above all) is written and
read by ``Packet``.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import engineio.packet
import socketio.packet

from labkit.base.clock import NS_PER_MS
from labkit.client import page_json
from labkit.plan import wire
from labkit.plan.exchange import MESSAGE, RESPONSE, ROOT
from labkit.runs.stages import Outcome

CONNECT = b"40"
HEARTBEAT = b"2"
HEARTBEAT_ANSWER = b"3"
GOODBYE = b"41"

#: Of Engine.IO: a websocket that is to take the place of polling, its answer, the order to do so, and nothing at all.
PROBE, PROBE_ANSWER, UPGRADE, NOTHING = b"2probe", b"3probe", b"5", b"6"

EVENT, ACKNOWLEDGEMENT = b"42", b"43"
BINARY_EVENT, BINARY_ACKNOWLEDGEMENT = b"45", b"46"
BINARY = (BINARY_EVENT, BINARY_ACKNOWLEDGEMENT)

_EVENTS, _ACKNOWLEDGEMENTS = (EVENT, BINARY_EVENT), (ACKNOWLEDGEMENT, BINARY_ACKNOWLEDGEMENT)

#: One of these keys has whatever the lab's work or a strategy of its answers.
_FORMS = frozenset(("result", "error", "busy", "superseded"))

# Made once: `json.dumps` with separators makes an encoder for every call.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().raw_decode


def where(namespace: str) -> bytes:
    """What names a namespace in a frame: nothing for the root, ``/desk,`` for another."""
    return b"" if namespace == ROOT else namespace.encode() + b","


def usual(place: bytes) -> tuple[bytes, bytes]:
    """How nearly every frame begins that a client receives, by :func:`where` it is: an event that asks for no
    acknowledgement, or an acknowledgement.

    No other kind of websocket frame begins so: one that closes begins with its code, which is below 5000 (RFC 6455,
    7.4.2), and a binary one is asked for before.
    """
    return b"42%b[" % place, b"43%b" % place


def plain(frame: bytes, place: bytes) -> bytes:
    """A frame of the namespace at `place` as it would be on the root; one with bytes stays, since it is read by
    python-socketio."""
    if not place or not frame.startswith(place, 2):
        return frame
    return frame[:2] + frame[2 + len(place) :]


class WithBytes(bytes):
    """The text frame of an event or an acknowledgement with bytes in it, and the binary frames that follow it.

    Attributes:
        attachments: their contents, in order.
    """

    attachments: tuple[bytes, ...]

    @classmethod
    def of(cls, text: bytes, attachments: Sequence[bytes]) -> Self:
        """Both together."""
        frame = cls(text)
        frame.attachments = tuple(attachments)
        return frame

    def __reduce__(self) -> tuple[Any, ...]:
        return WithBytes.of, (bytes(self), self.attachments)


def attachments_of(frame: bytes) -> int:
    """How many binary frames follow a text frame: ``2`` of ``452-[...]``; 0 of one that asks for none."""
    count, dash, _ = frame[2:13].partition(b"-")
    return int(count) if dash and count.isdigit() and frame.startswith(BINARY) else 0


def message(data: list[Any], number: int | None = None, place: bytes = b"") -> bytes:
    """The frame of an event: its name and its arguments; with a number it asks for an acknowledgement.

    Raises:
        TypeError, ValueError, RecursionError: Socket.IO cannot carry them.
    """
    try:
        return b"42%b%b%b" % (place, b"" if number is None else b"%d" % number, _to_json(data).encode())
    except TypeError:  # bytes are the only thing that JSON cannot carry and Socket.IO can
        packet = socketio.packet.Packet(socketio.packet.EVENT, data, place[:-1].decode() or ROOT, number, binary=True)
        text, *attachments = packet.encode()
        return WithBytes.of(b"4" + text.encode(), attachments)


def _parsed(
    frame: bytes, read: Callable[[str], tuple[Any, int]] = _from_json, packet_class: Any = socketio.packet.Packet
) -> tuple[int | None, Any]:
    """The number and the data of a frame that is an event or an acknowledgement; ValueError where it is malformed."""
    if isinstance(frame, WithBytes):
        return _joined(frame, packet_class)
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


def _joined(frame: WithBytes, packet_class: Any) -> tuple[int | None, Any]:
    packet = packet_class(encoded_packet=frame[1:].decode())
    try:
        for attachment in frame.attachments:
            packet.add_attachment(attachment)
    except (LookupError, TypeError) as error:  # a placeholder without an attachment, or with no number
        raise ValueError(f"a placeholder names no attachment: {error}") from error
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
    text = frame.decode(errors="replace").encode()
    return _parsed(WithBytes.of(text, frame.attachments) if isinstance(frame, WithBytes) else text)


def refusal(frame: bytes, place: bytes = b"") -> str:
    """What a CONNECT_ERROR says: ``44{"message":"wrong token"}``; as it came, where it is no JSON."""
    rest = frame[2:].removeprefix(place).decode(errors="replace")
    try:
        told = json.loads(rest)
    except (ValueError, RecursionError):
        return rest[:200]
    return str(told.get("message", told) if isinstance(told, dict) else told)[:200]


def sid_of(handshake: bytes) -> str:
    """The session that a server's handshake begins; ValueError where it is none."""
    try:
        return str(engineio.packet.Packet(encoded_packet=handshake.decode()).data["sid"])
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError("no Socket.IO handshake") from error


def heartbeat_told_ns(handshake: bytes) -> tuple[int, int]:
    """The ping interval and timeout that a server's handshake tells its client; 0 where it does not."""
    try:
        told = engineio.packet.Packet(encoded_packet=handshake.decode()).data
        return round(told["pingInterval"] * NS_PER_MS), round(told["pingTimeout"] * NS_PER_MS)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return 0, 0


def event(number: int, payload: Any, name: str = MESSAGE, *, acknowledge: bool = False, place: bytes = b"") -> bytes:
    """The frame of one event of the plan; `number` comes back in its answer, and in its acknowledgement if asked."""
    return message([name, {"id": number, "payload": payload}], number if acknowledge else None, place)


def ping(number: int, name: str, arguments: Sequence[Any] = (), place: bytes = b"") -> bytes:
    """The frame of an event that asks for an acknowledgement, without data where none is given."""
    return message([name, *arguments], number, place)


def acknowledged(frame: bytes) -> int:
    """The number of the ping that a frame acknowledges; -1 where it is no acknowledgement."""
    number, _, why = acknowledged_with(frame)
    return -1 if why else number


def acknowledged_with(frame: bytes) -> tuple[int, Any, str]:
    """The same, the values that came with it (a list, where the frame is as it should be), and why no page can read
    them, where none can.
    """
    if not frame.startswith(_ACKNOWLEDGEMENTS):
        return -1, None, ""
    why = ""
    try:
        try:
            number, values = parsed(frame)
        except page_json.Unreadable as refused:
            why, (number, values) = str(refused), unreadable(frame)
    except (ValueError, RecursionError):
        return -1, None, ""
    return (-1, None, "") if number is None else (number, values, why)


def acknowledgement(frame: bytes, place: bytes = b"") -> bytes | None:
    """What a client owes to a frame: ``43`` and its number, where it has one (``427["response",...]``); else None."""
    head, bracket, _ = frame.partition(b"[")
    if not bracket or not head.startswith(_EVENTS):
        return None
    rest = head[2:] if head.startswith(EVENT) else head.partition(b"-")[2]
    number = rest[len(place) :]
    return b"43%b%b[]" % (place, number) if rest.startswith(place) and number.isdigit() else None


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


def answers(frame: bytes, event: str = RESPONSE) -> list[Answer]:
    """The answers that a frame carries: none where it is another event, several where the server sends batches.

    Of a frame that no page can read every answer is unreadable, and another event is an answer to nothing: it costs the
    page its connection all the same.
    """
    if not frame.startswith(_EVENTS):
        return []
    if frame.startswith(BINARY_EVENT) and not isinstance(frame, WithBytes):
        return [Answer(-1, Outcome.GARBLED, message=f"a packet whose binary frames did not follow it: {frame[:60]!r}")]
    why = ""
    try:
        try:
            _, data = parsed(frame)
        except page_json.Unreadable as refused:
            why, (_, data) = str(refused), unreadable(frame)
        name, *arguments = data
    except (ValueError, TypeError, RecursionError) as error:
        return [Answer(-1, Outcome.GARBLED, message=f"not a Socket.IO packet ({error}): {frame[:60]!r}")]
    if name != event:
        return [Answer(-1, Outcome.UNREADABLE, message=why)] if why else []
    body = arguments[0] if arguments else None
    found = [_answer(item) for item in (body if isinstance(body, list) else [body])]
    return [replace(one, status=Outcome.UNREADABLE, result=None, message=why) for one in found] if why else found


def is_event(frame: bytes, name: Any) -> bool:
    """Whether a frame is an event of that name, as far as Python can read it."""
    if not frame.startswith(_EVENTS):
        return False
    try:
        _, data = unreadable(frame)
        return bool(data[0] == name)
    except (ValueError, TypeError, LookupError, RecursionError):
        return False


def answer_in(number: int, values: Any, why: str = "") -> Answer:
    """The answer to event `number` that came as its acknowledgement: what the work answered, or its result alone.

    `why` says why no page can read it, where none can.
    """
    if why:
        return replace(answer_in(number, values), status=Outcome.UNREADABLE, result=None, message=why)
    if not isinstance(values, list) or not values:
        return Answer(number, Outcome.GARBLED, message="acknowledged without a value: let the handler return it")
    if is_answer_to(number, values):
        return _answer(values[0])
    return Answer(number, Outcome.ANSWERED, values[0] if len(values) == 1 else values)


def is_answer_to(number: int, values: Any) -> bool:
    """Whether the values of an acknowledgement are the answer of the lab's work to an event, and no result alone."""
    item = values[0] if isinstance(values, list) and values else None
    return isinstance(item, dict) and item.get("id") == number and not _FORMS.isdisjoint(item)


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
    """Whether an answer is the expected one, both as Socket.IO gives them back."""
    if result == expected:
        return True
    # NaN, which Python's JSON passes through, is not equal to itself.
    return wire.text(result) == wire.text(expected)
