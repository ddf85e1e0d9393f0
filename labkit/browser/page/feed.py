"""What the server sends to one page: updates at a steady rate or in bursts, one by one or a window's worth at a time.

Open loop: an update is due when it is due, however late the one before it was. Its text and value follow from its
number alone, so that two runs of the same feed send the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from labkit.base import clock
from labkit.base.clock import Now
from labkit.base.errors import UsageError

#: More than a page can keep would only stop the browser.
MAX_EVENTS = 200_000

#: How long one order may last: nobody looks at a page for longer, and a forgotten one ends.
MAX_SECONDS = 600

#: So many orders are carried out at one time, of all pages together; each has a thread.
MAX_FEEDS = 16

#: A page that has left is noticed so soon, however far off its next update is.
_LOOK_S = 0.5

_WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")


@dataclass(frozen=True)
class Order:
    """What a page asks for.

    Attributes:
        events: how many updates.
        rate_hz: how many per second; 0: all at once.
        burst: so many at one instant, at the same mean rate.
        window_ms: the server collects what is due within such a window and sends it as one message; 0: one by one.
        keys: of how many things the updates are about.
        first: the number of the first one.
    """

    events: int
    rate_hz: float = 0.0
    burst: int = 1
    window_ms: float = 0.0
    keys: int = 10
    first: int = 0

    @classmethod
    def of(cls, wish: object) -> Self:
        """An order from what a page sent.

        Raises:
            UsageError: it is none.
        """
        if not isinstance(wish, dict) or not set(wish) <= set(cls.__dataclass_fields__):
            raise UsageError(f"an order has {', '.join(cls.__dataclass_fields__)}: leave out what differs")
        try:
            order = cls(**wish)
        except TypeError:
            raise UsageError("an order needs events: give their number") from None
        for name, low, high in (
            ("events", 1, MAX_EVENTS),
            ("rate_hz", 0, 100_000),
            ("burst", 1, MAX_EVENTS),
            ("window_ms", 0, 60_000),
            ("keys", 1, 10_000),
            ("first", 0, 2**40),
        ):
            value = getattr(order, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not low <= value <= high:
                raise UsageError(f"{name} must be from {low} to {high}, not {value!r}")
            if name in ("events", "burst", "keys", "first") and value != int(value):
                raise UsageError(f"{name} must be a whole number, not {value!r}")
        if order.rate_hz and order.events / order.rate_hz > MAX_SECONDS:
            raise UsageError(f"an order may last {MAX_SECONDS} s: ask for fewer events, or for a higher rate_hz")
        return order

    def due_ns(self) -> list[int]:
        """When each update is due, in ns from the start."""
        if self.rate_hz == 0:
            return [0] * self.events
        return [round(i // self.burst * self.burst / self.rate_hz * clock.NS_PER_S) for i in range(self.events)]

    def messages(self) -> list[tuple[int, range]]:
        """What is sent when: the instant in ns from the start, and the numbers (from 0) of the updates in it."""
        due_ns = self.due_ns()
        if self.window_ms == 0:
            return [(at_ns, range(i, i + 1)) for i, at_ns in enumerate(due_ns)]
        window_ns = round(self.window_ms * clock.NS_PER_MS)
        messages: list[tuple[int, range]] = []
        begin = 0
        for i in range(1, self.events + 1):
            if i == self.events or due_ns[i] // window_ns != due_ns[begin] // window_ns:
                messages.append(((due_ns[begin] // window_ns + 1) * window_ns, range(begin, i)))
                begin = i
        return messages


def update(number: int, keys: int, sent_ns: int) -> dict[str, Any]:
    """One update: plain values and text, no markup."""
    word = _WORDS[number % len(_WORDS)]
    return {
        "id": number,
        "key": number * 7 % keys,
        "value": 1 + number * 37 % 100,  # never what it was before: each write is one
        "text": f"{word} {number * 7919 % 100_000}",
        "sent_ns": sent_ns,
    }


@dataclass
class Feed:
    """One order, being carried out.

    Attributes:
        order: what was asked for.
        start_ns: from where its instants count; 0 before it began.
        sent_ns: when each update was made and handed over to be sent; a window holds it back after that.
        connected: whether the page is still there.
    """

    order: Order
    start_ns: int = 0
    sent_ns: list[int] = field(default_factory=list)
    connected: bool = True

    def run(
        self,
        send: Callable[[Any], object],
        sleep: Callable[[float], object] = clock.sleep,
        now: Now = clock.now_ns,
    ) -> None:
        """Send everything when it is due, or stop where the page has left."""
        self.start_ns = now()
        due_ns = self.order.due_ns()

        def reach(at_ns: int) -> None:
            while self.connected and (wait_ns := self.start_ns + at_ns - now()) > 0:
                sleep(min(wait_ns / clock.NS_PER_S, _LOOK_S))

        for at_ns, numbers in self.order.messages():
            updates = []
            for i in numbers:
                reach(due_ns[i])
                if not self.connected:
                    return
                updates.append(update(self.order.first + i, self.order.keys, now()))
            reach(at_ns)
            if not self.connected:
                return
            # A window's worth is a list even where it holds one: the page takes both forms.
            send(updates[0] if self.order.window_ms == 0 else updates)
            self.sent_ns.extend(each["sent_ns"] for each in updates)
