"""A clock that a test moves."""

from labkit.base.clock import NS_PER_MS


class FakeClock:
    """A clock that stands still until told otherwise, for exact tests."""

    def __init__(self, start_ns: int = 0) -> None:
        self.time_ns = start_ns

    def __call__(self) -> int:
        return self.time_ns

    def advance(self, *, ms: float = 0, ns: int = 0) -> None:
        """Let `ms` milliseconds plus `ns` nanoseconds pass."""
        if ms < 0 or ns < 0:
            raise ValueError("a clock does not run backwards")
        self.time_ns += round(ms * NS_PER_MS) + ns
