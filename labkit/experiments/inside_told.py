"""What a record from inside an app says in words: what takes long, who waits, how the connections fared."""

import math

import numpy as np

from labkit.base.text import about
from labkit.experiments import broadcasts, inside_summary
from labkit.experiments.inside_summary import EventRow
from labkit.inside.record import Record
from labkit.runs.stages import MISSING

#: Handlers that take less are not spoken of, in ms.
WORTH_TELLING_MS = 20.0

#: Nor are shorter waits for a handler.
WAIT_WORTH_TELLING_MS = 50.0

#: So many events are told that take long, and as many that wait long.
TOLD = 3

#: So many names are told in one sentence.
_NAMED = 6

#: A client whose answers to pings leave less than this share of the timeout is close to being thrown out.
LITTLE_HEADROOM = 0.2

#: So many packets that wait for a client to read them are a heap.
HEAP = 50


def told(record: Record, blame: str | None = None) -> str:
    """What a record says in words: by these rules alone, and who made whom wait only where `blame` says it.

    Args:
        record: what was seen.
        blame: a sentence or more on who made whom wait, which then come first.
    """
    return " ".join(sentences(record, blame))


def sentences(record: Record, blame: str | None = None) -> list[str]:
    """The same one by one."""
    rows = inside_summary.events(record)
    found = [blame] if blame else []
    found += [_of_handler(row, record) for row in [row for row in rows if _is_long(row)][:TOLD]]
    waited = [row for row in rows if row.queue.max_ms >= WAIT_WORTH_TELLING_MS]
    longest = sorted(waited, key=lambda row: -row.queue.max_ms)[:TOLD]
    found += [_of_wait(row, record) for row in longest]
    found += [_of_errors(row) for row in rows if row.errors]
    if unhandled := [f"`{row.shown}` ({_times(row.unhandled)})" for row in rows if row.unhandled]:
        found.append(f"Nobody handles {', '.join(unhandled[:_NAMED])}{' and others' * (len(unhandled) > _NAMED)}.")
    found += [
        f"`{row.shown}` had not returned {_times(row.running)} when this was recorded." for row in rows if row.running
    ]
    found += broadcasts.told(broadcasts.broadcasts(record)[:TOLD])
    found += _of_connections(record)
    if not found and rows:
        found.append(_of_nothing(rows))
    if not rows:
        found.insert(0, "No client has sent an event.")
    return found


def _is_long(row: EventRow) -> bool:
    return row.service.p50_ms >= WORTH_TELLING_MS or row.service.tail_ms >= 2 * WORTH_TELLING_MS


def _of_handler(row: EventRow, record: Record) -> str:
    name, took, cpu = f"`{row.shown}`", row.service.p50_ms, row.cpu.p50_ms
    long = f"{about(took)} ({_times(row.service.count)}, at most {about(row.service.max_ms)})"
    held = row.held.p50_ms >= took / 2 and not record.settings.get("async_handlers", True)
    after = "; with async_handlers=False the next events of its client wait that long too" if held else ""
    if math.isnan(cpu) and took >= WORTH_TELLING_MS:
        shared = "green threads" if record.settings.get("greenlets") else "the event loop"
        return f"{name} takes {long}; what of it is computing cannot be seen where handlers share {shared}{after}."
    if took < WORTH_TELLING_MS:
        return (
            f"{name} takes {about(took)} as a rule and up to {about(row.service.max_ms)}: something held it up{after}."
        )
    if cpu >= WORTH_TELLING_MS:
        alone = "meanwhile no other Python code of its process computes"
        return f"{name} computes {about(cpu)} and takes {long}: {alone}{after}."
    return f"{name} takes {long} and computes {about(cpu)} of it: it waits, for something or for its turn{after}."


def _of_wait(row: EventRow, record: Record) -> str:
    ran = _ran_during_worst_wait(row, record)
    meanwhile = f"; meanwhile ran {ran}" if ran else ""
    return f"`{row.shown}` waited up to {about(row.queue.max_ms)} for its handler to start{meanwhile}."


def _ran_during_worst_wait(row: EventRow, record: Record) -> str:
    """The handlers that filled most of the longest wait kept of this event; not a proof that they caused it."""
    columns = inside_summary.arrays(record.events)
    start = columns["handler_start"]
    came = inside_summary.came(columns)
    name, space = record.names.index(row.name), record.namespaces.index(row.namespace)
    mine = (columns["name"] == name) & (columns["namespace"] == space) & (start != MISSING) & (came != MISSING)
    if not mine.any():
        return ""
    worst = int(np.argmax(np.where(mine, start - came, -1)))
    end = np.where(columns["handler_end"] == MISSING, record.taken_ns, columns["handler_end"])
    shared = np.minimum(end, start[worst]) - np.maximum(start, came[worst])
    filled = {
        other: int(shared[(columns["name"] == other) & (start != MISSING) & (shared > 0)].sum())
        for other in set(record.events["name"])
    }
    wait = int(start[worst] - came[worst])
    most = sorted((each for each in filled if filled[each] >= wait / 4), key=lambda each: -filled[each])[:2]
    return " and ".join(f"`{record.names[each]}`" for each in most)


def _of_errors(row: EventRow) -> str:
    kinds = ", ".join(f"{kind} {_times(count)}" for kind, count in row.errors.items())
    return f"`{row.shown}` raised {kinds}."


def _of_connections(record: Record) -> list[str]:
    row, timeout_s = inside_summary.connections(record), record.settings.get("ping_timeout_s")
    found = []
    if row.never_upgraded:
        why = (
            "asked for one and did not get it"
            if row.tried == row.never_upgraded
            else f"{row.tried or 'none'} asked for one"
        )
        offered = record.settings.get("allow_upgrades", True) and "websocket" in record.settings.get("transports", ())
        why = why if offered or row.tried else "the server offers none"
        found.append(
            f"{row.never_upgraded} of {row.known} connections never came to a websocket ({why}): each event of theirs "
            f"is a request of its own."
        )
    if row.headroom_s is not None and timeout_s and row.headroom_s < LITTLE_HEADROOM * timeout_s:
        found.append(f"An answer to a ping left {row.headroom_s:.1f} s of the {timeout_s:g} s that a client has.")
    if timeouts := row.reasons.get("ping timeout", 0):
        found.append(f"{timeouts} of {row.known} connections ended with a ping timeout.")
    if row.unsent_most >= HEAP:
        found.append(f"Up to {row.unsent_most} packets waited for one client to read them.")
    if row.unread_most is not None and row.unread_most >= HEAP:
        found.append(f"Up to {row.unread_most} messages of one client waited to be taken.")
    return found


def _of_nothing(rows: tuple[EventRow, ...]) -> str:
    waited = max((row.queue.max_ms for row in rows if row.queue.count), default=math.nan)
    took = max((row.service.max_ms for row in rows if row.service.count), default=math.nan)
    return (
        f"Nobody waited long: at most {about(waited)} for a handler to start; no handler took more than {about(took)}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
