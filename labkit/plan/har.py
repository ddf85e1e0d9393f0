"""Socket.IO in a HAR of Chrome or Playwright: which events the page's clients sent, when, on which connection.

Both keep a websocket's frames in ``_webSocketMessages`` of its entry: ``{"type": "send", "time": ..., "opcode": 1,
"data": "42[...]"}``. Chrome's time is in seconds since 1970, Playwright's in milliseconds, -1 with ``omitTiming``;
binary data is base64. With ``content: "attach"`` Playwright writes the frames to a file of JSON Lines beside the HAR.
What was polled before the upgrade is in the entries of the POST requests, packets apart by ``\\x1e``.

A HAR is read as a stream: of 500 MB most are bodies of answers, which nobody wants here.
"""

import base64
import binascii
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import socketio.packet

from labkit.base.errors import MissingExtra, UsageError
from labkit.plan.recording import LONGEST_LINE, Recorded

#: A time above is in milliseconds since 1970, one below in seconds.
_MILLISECONDS_ABOVE = 1e11

#: Between the packets of one body of polling (Engine.IO protocol 4).
_BETWEEN = "\x1e"

_ENTRY = "log.entries.item"
_MESSAGES = f"{_ENTRY}._webSocketMessages.item"

#: Of an entry what is wanted; bodies of answers are passed over.
_WANTED = {
    f"{_ENTRY}.startedDateTime": "started",
    f"{_ENTRY}.request.url": "url",
    f"{_ENTRY}.request.method": "method",
    f"{_ENTRY}.request.postData.text": "posted",
    f"{_ENTRY}.request.postData._file": "posted_file",
    f"{_ENTRY}.response.content._file": "file",
}

UNTIMED = "events without a time"
DAMAGED = "packets that are cut or no Socket.IO"
SERVERS = "the server's own events"
SERVER_ACKS = "acknowledgements by the server"
CLIENT_ACKS = "acknowledgements by the page (clients acknowledge by themselves)"
GOODBYES = "goodbyes (clients stay to the end)"
OTHERS = "frames of websockets that are not Socket.IO"
GONE = "files of frames that are not beside the HAR"


@dataclass
class Har:
    """What was found in one HAR, while its events are read.

    Attributes:
        path: of the file.
        left_out: what cannot be replayed, counted.
        frames: all frames of websockets, whatever they are.
        posted: packets that were sent by polling.
        browser: who wrote it.
        late: sockets that were open before the recording began: nobody saw them connect.
        auths: how many connected with something to say of themselves.
    """

    path: Path
    left_out: "Counter[str]"
    frames: int = 0
    posted: int = 0
    browser: str = ""
    auths: int = 0
    _greeted: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def late(self) -> int:
        return len(self._seen - self._greeted)

    def events(self) -> Iterator[Recorded]:
        """The events that clients sent, entry after entry: not in the order of time.

        Raises:
            MissingExtra: ijson is not installed.
            UsageError: it is no HAR, or cut short, or holds no frames of Socket.IO.
            OSError: it cannot be read.
        """
        yield from self._all()
        if not self.frames and not self.posted:
            raise UsageError(self._nothing())

    def _nothing(self) -> str:
        if "firefox" in self.browser.lower():
            return (
                f"{self.path} is of Firefox, in which labkit finds no frames of websockets: record it with Chrome or "
                "Playwright"
            )
        return (
            f"{self.path} has no frames of websockets: open Chrome's network panel before the page connects, or use "
            "Playwright's record_har (1.65 and later keep frames, but not with record_har_content='omit')"
        )

    def _all(self) -> Iterator[Recorded]:
        try:
            import ijson
        except ImportError:
            raise MissingExtra("a HAR is read with ijson: pip install 'labkit[replay]'") from None
        entry, number = _Entry(self, 0), 0
        builder: Any = None
        with self.path.open("rb") as file:
            try:
                for prefix, event, value in ijson.parse(file, use_float=True):
                    if builder is not None:
                        builder.event(event, value)
                        if prefix == _MESSAGES and event == "end_map":
                            entry.hear(builder.value)
                            builder = None
                    elif prefix == _MESSAGES and event == "start_map":
                        builder = ijson.ObjectBuilder()
                        builder.event(event, value)
                    elif event == "string" and (name := _WANTED.get(prefix)) is not None:
                        entry.about[name] = value
                    elif prefix == _ENTRY and event == "end_map":
                        yield from entry.events()
                        number += 1
                        entry = _Entry(self, number)
                    elif prefix in ("log.creator.name", "log.browser.name") and event == "string":
                        self.browser += f" {value}"
            except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
                raise UsageError(
                    f"{self.path} is cut short or no JSON ({str(error).splitlines()[0][:80]}): save the HAR again"
                ) from None


class _Entry:
    """One entry of a HAR. Its address may come after its frames, and decides what they are."""

    def __init__(self, har: Har, number: int) -> None:
        self.har, self.number = har, number
        self.about: dict[str, str] = {}
        self._sent: list[tuple[float | None, int, str]] = []  # text or base64, of what the client sent
        self._received: Counter[str] = Counter()
        self._frames = 0

    def hear(self, message: Any) -> None:
        """One frame."""
        if not isinstance(message, dict) or message.get("type") not in ("send", "receive"):
            return  # an error of the socket's
        self._frames += 1
        data = message.get("data")
        if message["type"] == "send":
            opcode = message.get("opcode")
            self._sent.append(
                (_seconds(message.get("time")), 2 if opcode == 2 else 1, data if isinstance(data, str) else "")
            )
        elif isinstance(data, str) and message.get("opcode") != 2:
            self._received[data[:2] if data.startswith(("42", "43", "45", "46")) else ""] += 1

    def events(self) -> Iterator[Recorded]:
        """What the client sent, now that all of the entry is known."""
        with contextlib.suppress(OSError):
            self._read_beside()
        query: dict[str, list[str]] = {}
        with contextlib.suppress(ValueError):
            query = parse_qs(urlsplit(self.about.get("url", "")).query)
        is_ours = "EIO" in query or any(data.startswith(("40", "42", "43", "45", "46")) for _, _, data in self._sent)
        self.har.frames += self._frames
        if self._frames and not is_ours:
            self.har.left_out[OTHERS] += self._frames
            return
        sid = (query.get("sid") or [f"entry {self.number}"])[0]
        if self._frames:
            self._count_received()
            self.har._seen.add(sid)
            yield from _Reading(self.har, sid).events(self._sent)
        elif "EIO" in query and self.about.get("method", "").upper() == "POST":
            self.har._seen.add(sid)
            posted = self._posted()
            self.har.posted += len(posted)
            yield from _Reading(self.har, sid).events(posted)

    def _count_received(self) -> None:
        told = self._received
        for kind, name in (("42", SERVERS), ("45", SERVERS), ("43", SERVER_ACKS), ("46", SERVER_ACKS)):
            if told[kind]:
                self.har.left_out[name] += told[kind]

    def _posted(self) -> list[tuple[float | None, int, str]]:
        """The packets of one POST, all at the instant at which it began."""
        body = self.about.get("posted", "")
        if not body and "posted_file" in self.about:
            path = self._beside(self.about["posted_file"])
            if path is not None:
                with path.open("rb") as file:
                    body = file.read(LONGEST_LINE).decode(errors="replace")
        at = _instant(self.about.get("started", ""))
        return [
            (at, 2, packet[1:]) if packet.startswith("b") else (at, 1, packet)
            for packet in body.split(_BETWEEN)
            if packet
        ]

    def _read_beside(self) -> None:
        """Frames that Playwright has attached as a file."""
        name = self.about.get("file", "")
        if not name.endswith(".jsonl"):
            return
        path = self._beside(name)
        if path is None:
            self.har.left_out[GONE] += 1
            return
        with path.open("rb") as file:
            self._hear_lines(file)

    def _hear_lines(self, file: BinaryIO) -> None:
        while line := file.readline(LONGEST_LINE):
            try:
                self.hear(json.loads(line))
            except (ValueError, RecursionError):
                self.har.left_out[DAMAGED] += 1

    def _beside(self, name: str) -> Path | None:
        """A file in the HAR's own folder, and nowhere else."""
        path = self.har.path.with_name(Path(name).name) if Path(name).name else None
        return path if path is not None and path.is_file() else None


class _Reading:
    """The packets that one client sent over one socket, or in one POST."""

    def __init__(self, har: Har, sid: str) -> None:
        self.har, self.sid = har, sid
        self._waits: tuple[float | None, Any] | None = None  # for attachments

    def events(self, sent: list[tuple[float | None, int, str]]) -> Iterator[Recorded]:
        """Those of them that are events."""
        for at, opcode, data in sent:
            try:
                found = self._attached(data) if opcode == 2 else self._packet(at, data)
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
                self.har.left_out[DAMAGED] += 1
                continue
            if found is not None:
                yield from self._event(*found)
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        if self._waits is not None:
            self.har.left_out[DAMAGED] += 1
            self._waits = None

    def _packet(self, at: float | None, data: str) -> tuple[float | None, Any] | None:
        if data[:1] != "4" or len(data) < 2:
            return None  # a heartbeat or the upgrade
        if data[1] == "0":
            self.har._greeted.add(self.sid)
            self.har.auths += "{" in data
            return None
        if data[1] in "136":
            self.har.left_out[GOODBYES if data[1] == "1" else CLIENT_ACKS] += 1
            return None
        self._drop_waiting()
        packet = socketio.packet.Packet(encoded_packet=data[1:])
        if packet.attachment_count:
            self._waits = at, packet
            return None
        return at, packet

    def _attached(self, data: str) -> tuple[float | None, Any] | None:
        if self._waits is None:
            raise ValueError("bytes that belong to no packet")
        at, packet = self._waits
        try:
            is_whole = packet.add_attachment(base64.b64decode(data, validate=True))
        except (ValueError, binascii.Error, LookupError, TypeError):
            self._waits = None
            raise
        if not is_whole:
            return None
        self._waits = None
        return at, packet

    def _event(self, at: float | None, packet: Any) -> Iterator[Recorded]:
        data = packet.data
        if not isinstance(data, list) or not data or not isinstance(data[0], str) or not data[0]:
            self.har.left_out[DAMAGED] += 1
            return
        space = packet.namespace or "/"
        number = self.har._numbers.setdefault(self.sid, len(self.har._numbers))  # a session id is a secret
        yield Recorded(at, number, space, data[0], tuple(data[1:]), packet.id is not None)


def _seconds(time: Any) -> float | None:
    """A frame's time in seconds since 1970; None where it is not told."""
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 < time < 1e14:
        return None
    return time / 1e3 if time > _MILLISECONDS_ABOVE else float(time)


def _instant(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
