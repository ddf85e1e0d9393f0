"""The process of a :class:`~labkit.server.version.Version` that is named by its app: ``shop:app PORT``.

It ends when its standard input closes, so it never outlives who started it.
"""

import importlib
import os
import sys
import threading
import traceback
from pathlib import Path

from labkit.base.errors import LabError
from labkit.server.existing_app import AppServer


def main() -> None:
    """Serve the app from the folder that is the working directory, until standard input closes."""
    named, port = sys.argv[1], int(sys.argv[2])
    folder = Path.cwd()
    sys.path[:0] = [str(path) for path in (folder, folder / "src") if path.is_dir()]
    sys.argv = [named.partition(":")[0]]
    try:
        server = AppServer(_imported(named, folder), port=port)
        server.start()
    except LabError as error:
        _give_up(f"{error} (what cannot be served so, labkit gate --cmd starts)")
    except SystemExit as error:
        _give_up(f"importing {named} ended the process (exit code {error.code}): see its if __name__ == '__main__'")
    except Exception:  # noqa: BLE001 (told to the parent)
        _give_up(traceback.format_exc())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Event().wait()


def _imported(named: str, folder: Path) -> object:
    """The app; where the name leads elsewhere, an error: both versions would be the same code."""
    name, _, inside = named.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and lacks another
        raise LabError(f"there is no module {error.name} in this version's folder, {folder}, or its src") from None
    place = getattr(module, "__file__", None)
    if place is not None and not Path(place).resolve().is_relative_to(folder.resolve()):
        raise LabError(
            f"{module.__name__} was imported from {place}, and not from this version's folder: name a module that is "
            "in the folder or in its src, or name that folder"
        )
    found: object = module
    for part in inside.split("."):
        if not hasattr(found, part):
            raise LabError(f"{name} has no {inside}: name the app or the SocketIO that is in it")
        found = getattr(found, part)
    return found


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _give_up(said: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{said.rstrip()}\n")
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
