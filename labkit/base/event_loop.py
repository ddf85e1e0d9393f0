"""asyncio's event loop on the clock of the stamps, with timers finer than a millisecond."""

import asyncio
import select
import selectors

from labkit.base.clock import NS_PER_S, now_ns


def fine_selector() -> selectors.BaseSelector:
    """The cheapest selector of the platform whose timers are finer than a millisecond.

    kqueue's are by themselves. epoll's are not, but the descriptor of an epoll is one that ``select`` can wait for.
    """
    if hasattr(selectors, "EpollSelector"):

        class FineEpoll(selectors.EpollSelector):
            def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
                if timeout is not None and timeout > 0:
                    select.select([self.fileno()], [], [], timeout)
                    timeout = 0
                return super().select(timeout)

        return FineEpoll()
    return getattr(selectors, "KqueueSelector", selectors.SelectSelector)()


class Loop(asyncio.SelectorEventLoop):
    """asyncio's, with fine timers and on the clock of the stamps (Windows' monotonic clock ticks in 15 ms)."""

    def __init__(self) -> None:
        super().__init__(fine_selector())
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return now_ns() / NS_PER_S
