"""What a command line names: a work by its name, and what its events carry."""

import functools
import importlib
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit.base.errors import WorkloadError
from labkit.base.files import limited_text
from labkit.base.text import one_line, told
from labkit.plan import handler
from labkit.plan.mix import Mix, mix
from labkit.plan.work import KINDS, Work, call, similar_prices


def read(data: str) -> list[Any]:
    """The payloads: those of a file, one a line, where there is one of that name; else the one that the text is.

    Raises:
        WorkloadError: neither a file nor JSON; a line that is not JSON; nothing in it.
    """
    file = Path(data)
    try:
        is_file = file.is_file()
    except (OSError, ValueError):  # too long or odd for a name
        is_file = False
    if not is_file:
        try:
            return [json.loads(data)]
        except (ValueError, RecursionError) as error:
            raise WorkloadError(f"--data is neither JSON ({error}) nor a file: quote it, or check the name") from None
    return read_lines(data)


def read_lines(name: str) -> list[Any]:
    """The values of a file of JSON Lines, one a line.

    Raises:
        WorkloadError: it cannot be read, a line is not JSON, or there is none.
    """
    file = Path(name)
    try:
        text = limited_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{file} cannot be read ({error}): give a text file in UTF-8") from None
    payloads = [_line(file, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not payloads:
        raise WorkloadError(f"{file} is empty: give one JSON value a line")
    return payloads


def _line(file: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"line {number} of {file} is not JSON ({error}): give one value a line") from None


def parse(target: str, payloads: Sequence[Any] | None = None) -> Work:
    """A workload by its name: ``cpu:100ms``, ``io_wait:2ms``, ``cpu_nogil:5ms``, ``prices``, ``package.module:name``.

    ``prices:600days`` is the example job that looks at 600 trading days only, as results of a slow machine name it.

    Args:
        target: its name.
        payloads: of a function of the reader's; see :func:`call`.

    Raises:
        WorkloadError: the name is none of these, the function cannot be imported, or payloads are given to the lab's
            own work.
    """
    if payloads is not None and (target.startswith("prices") or target.partition(":")[0] in KINDS):
        raise WorkloadError(f"{target} is the lab's own work and has its own data: give data to a function of yours")
    if example := re.fullmatch(r"prices(:numpy)?(?::(\d+)days)?", target):
        numpy, past = example.groups()
        return similar_prices("numpy" if numpy else "python", past=None if past is None else int(past))
    kind, _, rest = target.partition(":")
    if kind in KINDS:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)ms", rest)
        if match is None:
            raise WorkloadError(f"write the time in ms, as in {kind}:100ms, not {target!r}")
        return KINDS[kind](float(match.group(1)))
    if not rest:
        raise WorkloadError(
            f"unknown workload {target!r}: give {', '.join(f'{kind}:100ms' for kind in KINDS)}, prices, "
            "or package.module:function"
        )
    function = imported(kind, rest)
    handler.refuse(function, target)
    return replace(call(function, payloads), name=target)


def is_own(target: str) -> bool:
    """Whether a name is one of the lab's own work; else it is a function of the reader's, or wrong."""
    return target.partition(":")[0] in (*KINDS, "prices") or ":" not in target


@dataclass(frozen=True)
class Named:
    """A function of the reader's by its name: imported in whichever process it is sent to, and not in this one.

    Attributes:
        target: ``package.module:name``.
        app: of the Flask app in whose context it runs, ``package.module:create_app``; empty for none.
    """

    target: str
    app: str = ""

    def __call__(self, payload: Any) -> Any:
        return self.found(payload)

    @property
    def found(self) -> Callable[[Any], Any]:
        """The function itself, imported into this process.

        Raises:
            WorkloadError: as :func:`parse` and :func:`labkit.plan.flask_app.in_app`.
        """
        return _function(self.target, self.app)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.target, self.app)


def _arrived(target: str, app: str) -> Named:
    named = Named(target, app)
    _ = named.found  # now, so that no event waits for it
    return named


@functools.cache
def _function(target: str, app: str) -> Callable[[Any], Any]:
    from labkit.plan import flask_app

    work = parse(target)
    return (flask_app.in_app(work, app) if app else work).function


def mixed(kinds: Sequence[str], *, apart: bool = False, parsed: Callable[[str], Work] = parse) -> Mix:
    """A mix by the words for its kinds, each as in ``chat=0.9:cpu:1ms``: name, share, and the name of its work.

    Args:
        kinds: one each.
        apart: each client sends events of one kind only.
        parsed: gives the work of a name.

    Raises:
        WorkloadError: one is not written like that, two have one name, or see :func:`parse` and
            :func:`labkit.plan.mix.mix`.
    """
    parts: dict[str, tuple[float, Work]] = {}
    for text in kinds:
        match = re.fullmatch(r"([^=]*)=([^:]*):(.+)", text)
        if match is None:
            raise WorkloadError(f"write a kind of a mix as in chat=0.9:cpu:1ms, name, share and work, not {text!r}")
        kind, share, target = match.groups()
        if kind in parts:
            raise WorkloadError(f"two kinds of the mix are called {kind!r}: give one of them another name")
        parts[kind] = (_number(share), parsed(target))
    return mix(parts, apart=apart)


def _number(text: str) -> Any:
    """The number, or the text as it came, which a mix refuses with a sentence."""
    try:
        return float(text)
    except ValueError:
        return text


def imported(module_name: str, path: str) -> Callable[..., Any]:
    """Something callable by the names of its module and of itself; WorkloadError if it is not there or is not."""
    # A console script has its own folder on the path, not the reader's.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        raise WorkloadError(
            f"importing {module_name!r} ends the interpreter (exit code {error.code}): let it only define things, and "
            'do what a script does below if __name__ == "__main__":'
        ) from None
    except BaseException as error:  # noqa: BLE001 (whatever the reader's module raises)
        raise WorkloadError(
            f"cannot import {module_name!r} ({one_line(told(error))}): run from the folder that holds it, with the "
            "packages that it needs"
        ) from None
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise WorkloadError(f"{module_name!r} has no {path!r}: check the name after the colon") from None
    if not callable(found):
        raise WorkloadError(f"{module_name}:{path} is a {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function
