"""What lies between clients and a server: how long bytes are under way, how unevenly, and how many get lost."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from labkit.base.errors import UsageError

#: Longer under way is nothing on this planet.
MOST_DELAY_MS = 60_000.0

#: Of more, connections break off rather than wait.
MOST_LOSS = 0.5

#: The least that Linux waits beyond a round trip before it sends a segment again (TCP_RTO_MIN).
LEAST_WAIT_MS = 200.0

_SYNTAX = "write delay, jitter and loss, as in 40ms,10ms,2%"


@dataclass(frozen=True)
class Link:
    """A network between clients and server: delay, jitter and loss of each direction, each by itself.

    Attributes:
        delay_ms: how long a segment is under way, one way: a round trip takes twice that.
        jitter_ms: by how much that varies, evenly distributed within ``delay_ms - jitter_ms`` and
            ``delay_ms + jitter_ms``.
        loss: the share of segments that are lost, and come when TCP sends them again.
        seed: of jitter and loss.

    Raises:
        UsageError: this is no network.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("delay_ms", "jitter_ms", "loss"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise UsageError(f"{name} of a network is a number, not {value!r:.40}")
        if not 0 <= self.delay_ms <= MOST_DELAY_MS:
            raise UsageError(f"a network's delay is 0 to {MOST_DELAY_MS:,.0f} ms one way, not {self.delay_ms:g} ms")
        if not 0 <= self.jitter_ms <= self.delay_ms:
            raise UsageError(
                f"a network's jitter is 0 ms up to its delay ({self.delay_ms:g} ms), not {self.jitter_ms:g} ms: "
                "nothing arrives before it was sent"
            )
        if not 0 <= self.loss <= MOST_LOSS:
            raise UsageError(f"a network loses 0 to {MOST_LOSS:.0%} of its segments, not {self.loss:g}: 0.02 is 2%")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise UsageError(f"the seed of a network is a whole number, not {self.seed!r:.40}")

    @classmethod
    def of(cls, told: "Link | str | None", seed: int = 0) -> "Link | None":
        """A link as people name it: one, or a text such as ``40ms,10ms,2%``; None stays None.

        Args:
            told: delay, jitter and loss in this order; the later ones may be missing, and a percentage is the loss.
            seed: where a text is given.

        Raises:
            UsageError: it is none.
        """
        if told is None or isinstance(told, Link):
            return told
        if not isinstance(told, str):
            raise UsageError(f"a network is a lab.Link(...) or a text, not {told!r:.40}: {_SYNTAX}")
        times: list[float] = []
        loss = None
        for part in told.split(","):
            found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|%)\s*", part)
            if found is None or loss is not None or (found[2] != "%" and len(times) == 2):
                raise UsageError(f"{told!r:.60} is no network: {_SYNTAX}")
            if found[2] == "%":
                loss = float(found[1]) / 100
            else:
                times.append(float(found[1]) * (1000.0 if found[2] == "s" else 1.0))
        delay_ms, jitter_ms = (*times, 0.0, 0.0)[:2]
        return cls(delay_ms, jitter_ms, loss or 0.0, seed)

    @property
    def retransmission_ms(self) -> float:
        """How long after a segment was sent it is sent again, where nobody has acknowledged it (RFC 6298, 2.3).

        The smoothed round trip, and four times its mean deviation, which is two thirds of the jitter where both ways
        jitter. Linux takes at least 200 ms in place of the latter.
        """
        return 2 * self.delay_ms + max(LEAST_WAIT_MS, 4 * 2 / 3 * self.jitter_ms)

    def __str__(self) -> str:
        varies = f" \N{PLUS-MINUS SIGN} {self.jitter_ms:g}" if self.jitter_ms else ""
        lost = f", {100 * self.loss:g}% loss" if self.loss else ""
        return f"{self.delay_ms:g}{varies} ms one way{lost}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self | None:
        """What :meth:`to_dict` wrote; None of an empty one, and what a newer labkit wrote besides is left out.

        Raises:
            UsageError: it is none.
        """
        known = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        return cls(**known) if known else None
