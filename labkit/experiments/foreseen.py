"""What can be told of a run before it is fired: events and answers that are too large, answers that no page can read.

None of it is refused: what becomes of such events is for the run to show.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from labkit.client import packets, page_json
from labkit.client.connection import MAX_FRAME_BYTES
from labkit.plan import wire
from labkit.plan.calibration import Expected
from labkit.plan.exchange import RESPONSE
from labkit.server import limits

#: Where a limit is above the second, texts up to the first are not worth a look.
_SMALL, _LIMIT = 1_000, 10_000


def foreseen(expected: Expected, mode: str, options: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every sentence for people, each once.

    Args:
        expected: the payloads and, where they are known, the answers.
        mode: one of :data:`labkit.plan.modes.MODES`.
        options: of the servers that will be started, what each is given.
    """
    sizes = [sentence for given in options for sentence in too_large(expected, mode, given)]
    return tuple(dict.fromkeys([*unreadable(expected), *sizes]))


def unreadable(expected: Expected) -> tuple[str, ...]:
    """A sentence where the work answers what no page can read."""
    known = [(p, a) for p, a in zip(expected.payloads, expected.answers, strict=True) if a is not None]
    bad = [(payload, why) for payload, answer in known if (why := _why_unreadable(answer))]
    if not bad:
        return ()
    payload, why = bad[0]
    shown = wire.text(payload)
    return (
        f"{len(bad)} of {len(expected.payloads)} events will be answered in vain, such as that with "
        f"{shown if len(shown) < 60 else shown[:57] + '...'}: {why}.",
    )


def _why_unreadable(answer: Any) -> str:
    try:
        page_json.read(wire.text(answer))
    except page_json.Unreadable as why:
        return str(why)
    return ""


def too_large(expected: Expected, mode: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for the events, and one for the answers, where some exceed a limit of who receives them."""
    count = len(expected.payloads)
    is_low = limits.of_server(mode, options).most < _LIMIT
    events = _sizes(expected.payloads, lambda payload: packets.event(count, payload), every=is_low)
    server = limits.of_server(mode, options, max(events, default=0))
    client = limits.Limit("MAX_FRAME_BYTES of labkit.client.connection", MAX_FRAME_BYTES, "a page has no such limit")
    answers = _sizes(expected.answers, lambda answer: packets.message([RESPONSE, {"result": answer}]))
    return (
        *_exceeded("events", events, "the server takes", server),
        *_exceeded("answers", answers, "labkit's client takes", client),
    )


def frame_bytes(expected: Expected) -> int:
    """What all events come to on the wire; small ones are not worth counting."""
    return sum(_sizes(expected.payloads, lambda payload: packets.event(len(expected.payloads), payload)))


def _sizes(values: Iterable[Any], frame: Callable[[Any], bytes], every: bool = False) -> list[int]:
    """The bytes of the frame of each value; 0 of a small one, unless of every one it matters. What comes several times
    is encoded once.
    """
    known: dict[int, int] = {}
    sizes = []
    for value in values:
        is_text = isinstance(value, str) and len(value) < _SMALL
        if not every and (value is None or isinstance(value, int | float) or is_text):
            sizes.append(0)
            continue
        if id(value) not in known:
            encoded = frame(value)
            known[id(value)] = max(len(encoded), *map(len, getattr(encoded, "attachments", ())), 0)
        sizes.append(known[id(value)])
    return sizes


def _exceeded(what: str, sizes: list[int], who: str, limit: limits.Limit) -> tuple[str, ...]:
    over = [size for size in sizes if size > limit.most]
    if not over:
        return ()
    return (
        f"{len(over)} of {len(sizes)} {what} are larger than {who}, up to {max(over):,} bytes: {limit.setting} is "
        f"{limit.most:,}, and the connection is closed on which more comes ({limit.remedy})",
    )
