"""The child's end of a :class:`~labkit.scale.queue_process.QueueProcess`: the workers of a queue.

What the strategy calls `work` has the main thread: Celery's prefork pool forks from there, and takes the signals.
"""

import _thread
import contextlib
import os
import pickle
import sys

import psutil

from labkit.base import clock, processes
from labkit.base.errors import LabError, ServerError
from labkit.base.processes import Pipes

#: Celery's own worker is imported within this time.
_ANOTHER_S = 3.0


def main() -> None:
    """The process."""
    pipes = Pipes()
    with contextlib.suppress(EOFError):
        _, (path, pickled) = pipes.take()
        sys.path[:] = path  # as the parent's, or what it imported from could not be found
        try:
            work, calculation, parameters = pickle.loads(pickled)
        except LabError as error:
            pipes.answer(error)
            return
        except Exception as error:  # noqa: BLE001 (told to the parent)
            reason = f"{type(error).__name__}: {error}"
            pipes.answer(ServerError(f"a worker cannot import what it is to do ({reason}): mend the module"))
            return
        _thread.start_new_thread(_end_with_parent, (pipes,))
        _answer_when_ready(pipes)
        work(calculation, **parameters)


def _answer_when_ready(pipes: Pipes) -> None:
    """Answer once tasks are taken; of another engine than Celery nobody can tell, so after a while."""
    with contextlib.suppress(ImportError):
        from celery.signals import worker_ready

        worker_ready.connect(lambda **_: pipes.answer(os.getpid()), weak=False)
    _thread.start_new_thread(_answer_of_another_engine, (pipes,))


def _answer_of_another_engine(pipes: Pipes) -> None:
    clock.sleep(_ANOTHER_S)
    if "celery.worker" not in sys.modules:
        pipes.answer(os.getpid())


def _end_with_parent(pipes: Pipes) -> None:
    """End when the parent closes its end, whatever is at work."""
    with contextlib.suppress(EOFError):
        pipes.take()
    below = processes.descendants(os.getpid())
    with contextlib.suppress(psutil.Error):
        processes.kill_all(below)
    os._exit(0)
