"""How clients come to a server: what they say of themselves, all at once or one by one, and what they do first."""

from dataclasses import dataclass

from labkit.plan.handshake import PLAIN, Handshake
from labkit.plan.scenario import Step


@dataclass(frozen=True)
class Visit:
    """How all clients of one firing come.

    Attributes:
        handshake: what each says when it connects.
        ramp_s: they come evenly within this time; 0: all at once, as after a server's restart.
        scenario: what each does then, before the load.
        step_s: how long a step of the scenario may wait for what it waits for.
        is_upgraded: each begins with polling, and upgrades to a websocket before it goes on.
        namespaces: of each client its own, in a replay; where empty, all are in the exchange's.
        share: (k, n): this process has the clients k, k + n, k + 2n, ...
    """

    handshake: Handshake = PLAIN
    ramp_s: float = 0.0
    scenario: tuple[Step, ...] = ()
    step_s: float = 10.0
    is_upgraded: bool = False
    namespaces: tuple[str, ...] = ()
    share: tuple[int, int] = (0, 1)

    def number_of(self, place: int) -> int:
        """Which of all clients the one at a place of this process is."""
        part, parts = self.share
        return part + place * parts

    def namespace_of(self, place: int, usual: str) -> str:
        """That of the client at a place of this process; `usual` where clients have none of their own."""
        return self.namespaces[self.number_of(place)] if self.namespaces else usual


#: Of the lab's own clients.
AT_ONCE = Visit()
