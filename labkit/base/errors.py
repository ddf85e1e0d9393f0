"""Everything that labkit raises on purpose, in one tree.

::

    LabError
    +-- UsageError            the request makes no sense; nothing was started
    |   +-- ScheduleError     a rate, a count or a duration that cannot be fired
    |   +-- WorkloadError     a workload that is unknown, or a function that cannot be used
    |   |   +-- NotPicklable  it cannot be sent to another process, and the strategy must
    |   +-- StrategyError     a strategy that is unknown, or not one
    |   +-- ModeError         a mode that is unknown, or in which a strategy cannot run
    |   +-- TooMuchMemory     more events than this machine can keep
    +-- ServerError           the server did not start or did not stop
    |   +-- PortInUse         something else listens there
    |   +-- NotStarted        a version of the reader's app did not start, ended, or serves nobody
    +-- ClientError           the client process did not do what it was asked
    |   +-- ConnectFailed     no Socket.IO server answered there
    |       +-- Refused       one did, and lets nobody in
    +-- RedisError            a Redis that does not start, does not answer or lets nobody in
    +-- BrowserError          the browser ended, or did not do what it was asked
    +-- NotAsExpected         runs are not as expected, or nobody can tell
    +-- RecordError           a file that is not a run, or of a newer schema
    +-- TraceError            a file that is not a trace of the page
    +-- MissingExtra          an optional package is needed and absent

Each message is one sentence that says what to do; that of `NotAsExpected` is a table.
"""

from typing import Any


class LabError(Exception):
    """The root: catch this to catch all of labkit's own errors."""


class UsageError(LabError):
    """The request makes no sense; nothing was started."""


class ScheduleError(UsageError):
    """A rate, a count or a duration that cannot be fired."""


class WorkloadError(UsageError):
    """A workload that is unknown, or a function that cannot be used."""


class NotPicklable(WorkloadError):
    """The work cannot be sent to another process, and the strategy must."""


class StrategyError(UsageError):
    """A strategy that is unknown, or not one."""


class ModeError(UsageError):
    """A mode that is unknown, or in which a strategy cannot run."""


class TooMuchMemory(UsageError):
    """More events than this machine can keep."""


class ServerError(LabError):
    """The server did not start or did not stop."""


class PortInUse(ServerError):
    """Something else listens there."""


class NotStarted(ServerError):
    """A version of the reader's app did not start, ended, or serves nobody.

    Attributes:
        version: its name.
    """

    def __init__(self, message: str, version: str = "") -> None:
        super().__init__(message)
        self.version = version


class ClientError(LabError):
    """The client process did not do what it was asked."""


class ConnectFailed(ClientError):
    """No Socket.IO server answered there."""


class Refused(ConnectFailed):
    """A Socket.IO server answered, and lets nobody in."""


class RedisError(LabError):
    """A Redis that does not start, does not answer or lets nobody in."""


class BrowserError(LabError):
    """The browser ended, or did not do what it was asked."""


class NotAsExpected(LabError):
    """Runs are not as expected, or nobody can tell.

    Attributes:
        verdicts: a :class:`labkit.runs.verdicts.Verdicts`.
    """

    def __init__(self, message: str, verdicts: Any = None) -> None:
        super().__init__(message)
        self.verdicts = verdicts


class RecordError(LabError):
    """A file that is not a run, or of a newer schema."""


class TraceError(LabError):
    """A file that is not a trace of the page."""


class MissingExtra(LabError):
    """An optional package is needed and absent."""
