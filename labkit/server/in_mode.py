"""A reader's app, unmodified, served in a mode by an interpreter of this machine, in a process of its own.

What is executed there is :mod:`labkit.server.standalone`, one file: labkit need not be installed there. It says in a
line of its output what serves, or what stands in the way.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import ModeError, NotStarted, UsageError
from labkit.server import standalone
from labkit.server.version import Launch, Version

#: What another interpreter must not take for its own.
_NOT_ITS = ("PYTHONHOME", "FLASK_RUN_FROM_CLI")

#: The modes in which an app can be served so.
MODES = tuple(standalone.ASYNC_MODES)


@dataclass(frozen=True)
class InMode(Launch):
    """How an app is started.

    Attributes:
        mode: one of :data:`MODES`.
        python: the interpreter that is executed.
        threads: of gunicorn's worker; each connection takes one.
    """

    mode: str = "threading"
    python: str = sys.executable
    threads: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.command:
            raise UsageError("a command serves as it likes, and in no mode: name the app as module:name")
        if self.mode not in MODES:
            raise ModeError(f"an app is served in one of the modes {', '.join(MODES)}, not {self.mode!r}")

    @property
    def late(self) -> str:
        """What may be wrong where it does not listen in time."""
        return "see whether importing the app waits for something"

    def arguments(self, port: int) -> list[str]:
        """What is executed."""
        asked = {"app": self.app, "mode": self.mode, "port": port, "threads": self.threads}
        return [self.python, "-u", str(Path(standalone.__file__)), json.dumps(asked)]


class ServerInMode(Version):
    """An app while it serves in a mode: as :class:`~labkit.server.version.Version`.

    Attributes:
        told: what serves: `python`, `implementation`, `gil`, `free_threaded`, `mode`, `async_mode`, `versions`; empty
            before the app was imported.
    """

    launch: InMode

    def __init__(self, name: str, folder: Path, launch: InMode) -> None:
        super().__init__(name, folder, launch)
        self.told: Mapping[str, Any] = {}

    def _environment(self) -> Mapping[str, str]:
        return {name: value for name, value in super()._environment().items() if name not in _NOT_ITS}

    def _serves(self) -> bool:
        # gunicorn listens before its worker has imported the app.
        self.told = self.told or self._said()
        return bool(self.told) and "problem" not in self.told and self._listens()

    def _failed(self, said: str) -> NotStarted:
        problem = self._said().get("problem")
        return NotStarted(f"{self.name}: {problem}", self.name) if problem else super()._failed(said)

    def _said(self) -> dict[str, Any]:
        for line in self._written().splitlines():
            if line.startswith(standalone.TOLD):
                found: dict[str, Any] = json.loads(line.removeprefix(standalone.TOLD))
                return found
        return {}

    def _is_ours(self, line: str) -> bool:
        return not line.strip() or line.startswith(standalone.TOLD)
