"""Which process serves at a port of this machine, so that its threads, memory and CPU time can be told."""

import psutil

from labkit.plan.address import Address, is_loopback


def pid_of(address: Address) -> int | None:
    """The process that listens there, or the one that started all that do; None where that cannot be told."""
    if not is_loopback(address):
        return None
    try:
        found = {
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == address.port and each.pid
        }
        roots = [pid for pid in found if all(pid == other or pid in _parents(other) for other in found)]
    except psutil.Error:
        return None
    return roots[0] if len(roots) == 1 else None


def _parents(pid: int) -> list[int]:
    return [each.pid for each in psutil.Process(pid).parents()]
