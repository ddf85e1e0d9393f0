"""What changes a result without being asked about: spare CPU, the server's CPU time, its context switches.

How a server's process is held still during a run stands in :mod:`labkit.server.steady`.
"""

import os

import psutil

from labkit.base import clock, cpu
from labkit.client.process import Client
from labkit.plan.work import calibration_turns


def spare_cpu(client: Client) -> float | None:
    """Of the CPU that a fixed loop finds alone, the share that two of them find now: one here, one in the client.

    None where the client has no process of its own: both loops would hold one GIL.
    """
    turns, alone_ms = calibration_turns()
    slower_ms = client.spin_beside(turns)
    return None if slower_ms is None else round(min(1.0, alone_ms / slower_ms), 3)


class ServerCost:
    """What a server's process and its children have spent since now; the client's processes are left out.

    Args:
        pid: of the process that serves.
        client: whose processes may be children of the same process.
    """

    def __init__(self, pid: int, client: Client) -> None:
        self._server = psutil.Process(pid)
        self._clients = client.pids
        self._cpu_ns = self._cpu_now_ns()
        self._switches = self._switches_now()

    @property
    def cpu_s(self) -> float:
        """CPU seconds."""
        return (self._cpu_now_ns() - self._cpu_ns) / clock.NS_PER_S

    @property
    def switches(self) -> int | None:
        """How often its threads gave a core up, or had to; None of another process, and on Windows."""
        now = self._switches_now()
        return None if now is None or self._switches is None else now - self._switches

    def _cpu_now_ns(self) -> int:
        ours = self._server.pid == os.getpid()
        # Finer than what the system tells of others. A child that ended is its parent's from then on.
        total = clock.process_cpu_ns() + cpu.ended_ns() if ours else 0
        processes = self._server.children(recursive=True)
        for process in processes if ours else [self._server, *processes]:
            if process.pid not in self._clients:
                try:
                    total += round(cpu.whole_s(process) * clock.NS_PER_S)
                except psutil.Error:
                    continue  # it has just ended
        return total

    def _switches_now(self) -> int | None:
        try:
            import resource
        except ImportError:
            return None
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_nvcsw + usage.ru_nivcsw if self._server.pid == os.getpid() else None
