"""Which lock a thread waits for, and who holds it.

A ``threading.Lock`` does not know its owner. But code says which lock it means, by its name in a ``with`` statement or
before ``.acquire()``, and a frame has what the name stands for. So the thread that waits is found by the statement at
which it stands, and the holder by standing within the body of such a statement, or behind such an ``acquire()``, on the
very same object. Only names, attributes and items of plain containers are followed: no code of the reader's runs. A
lock that is reached by a call, or taken in one function and released in another, has an unknown holder.
"""

import ast
import builtins
import inspect
import linecache
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

#: A longer function than this is not read.
_LONGEST = 1_000
_KEPT = 512
_DEEPEST = 60
_ABSENT = object()

#: Where locks are written in Python: the statement that waits is further out.
_LOCKS = ("threading.py", os.path.join("gevent", "thread.py"), os.path.join("gevent", "lock.py"))


@dataclass(frozen=True)
class Guarded:
    """A statement that takes a lock: the line on which one waits for it, and the lines on which one holds it."""

    lock: ast.expr
    first: int
    last: int
    body_first: int
    body_last: int


_known: dict[CodeType, tuple[Guarded, ...]] = {}


def awaited(frame: FrameType) -> Any:
    """The lock for which a thread that stands still waits; None where it waits for something else."""
    inner: FrameType | None = frame
    outermost = None
    while inner is not None and inner.f_code.co_filename.endswith(_LOCKS):
        outermost, inner = inner, inner.f_back
    if outermost is not None and outermost.f_code.co_name not in ("acquire", "__enter__", "wait"):
        return None
    if inner is None:
        return None
    line = inner.f_lineno or 0
    for guarded in statements(inner.f_code):
        if guarded.first <= line <= guarded.last:
            lock = resolve(guarded.lock, inner)
            if _is_held(lock):
                return lock
    return None


def holder(lock: Any, stacks: Iterable[tuple[Any, FrameType]], is_read: Any) -> tuple[Any, FrameType] | None:
    """Who holds it, with the innermost frame of that stack; None where that is not to be seen.

    Args:
        lock: which.
        stacks: of all others, by who they are.
        is_read: whether a file's functions are looked into.
    """
    owner = re.search(r"owner=(\d+)", repr(lock)) if type(lock).__name__ == "RLock" else None
    for who, innermost in stacks:
        if owner is not None:
            if who == int(owner[1]):
                return who, innermost
            continue
        if any(_holds(lock, frame) for frame in _outwards(innermost) if is_read(frame.f_code.co_filename)):
            return who, innermost
    return None


def statements(code: CodeType) -> tuple[Guarded, ...]:
    """The statements of a function that take something which may be a lock."""
    known = _known.get(code)
    if known is None:
        if len(_known) >= _KEPT:
            _known.clear()
        try:
            known = tuple(_statements(code))
        except (SyntaxError, ValueError, RecursionError):  # its source is not what runs
            known = ()
        _known[code] = known
    return known


def resolve(expression: ast.expr, frame: FrameType) -> Any:
    """What an expression stands for in a frame; None where telling that would run code."""
    value = _value(expression, frame)
    return None if value is _ABSENT else value


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _holds(lock: Any, frame: FrameType) -> bool:
    line = frame.f_lineno or 0
    return any(
        guarded.body_first <= line <= guarded.body_last
        and not guarded.first <= line <= guarded.last
        and resolve(guarded.lock, frame) is lock
        for guarded in statements(frame.f_code)
    )


def _is_held(lock: Any) -> bool:
    if lock is None or not (callable(getattr(lock, "acquire", None)) and callable(getattr(lock, "release", None))):
        return False
    locked = getattr(lock, "locked", None)
    return bool(locked()) if type(lock).__name__ == "lock" and callable(locked) else True


def _statements(code: CodeType) -> Iterator[Guarded]:
    lines = [end or start for start, end, *_ in code.co_positions() if start]
    first, last = code.co_firstlineno, max(lines, default=0)
    if not 0 < last - first < _LONGEST and last != first:
        return
    # Without its globals, linecache would not find the source of a module in an archive: that one is not read.
    source = textwrap.dedent("".join(linecache.getlines(code.co_filename)[first - 1 : last]))
    tree = ast.parse(source)
    ast.increment_lineno(tree, first - 1)
    ends = [(_text(node), node.lineno) for node in _calls(tree, "release")]
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                body = node.body
                yield Guarded(
                    item.context_expr,
                    node.lineno,
                    item.context_expr.end_lineno or node.lineno,
                    body[0].lineno,
                    body[-1].end_lineno or body[-1].lineno,
                )
    for call in _calls(tree, "acquire"):
        until = [line for text, line in ends if text == _text(call) and line > call.lineno]
        yield Guarded(
            call.func.value,  # type: ignore[attr-defined]
            call.lineno,
            call.end_lineno or call.lineno,
            call.lineno + 1,
            min(until, default=last),
        )


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


def _text(call: ast.Call) -> str:
    return ast.dump(call.func.value)  # type: ignore[attr-defined]


def _value(expression: ast.expr, frame: FrameType) -> Any:
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Name):
        for names in (frame.f_locals, frame.f_globals, vars(builtins)):
            if expression.id in names:
                return names[expression.id]
    if isinstance(expression, ast.Attribute):
        owner = _value(expression.value, frame)
        return _ABSENT if owner is _ABSENT else _attribute(owner, expression.attr)
    if isinstance(expression, ast.Subscript):
        owner, key = _value(expression.value, frame), _value(expression.slice, frame)
        if isinstance(owner, dict) and type(key) in (str, int, tuple):
            return dict.get(owner, key, _ABSENT)
        if type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner):
            return owner[key]
    return _ABSENT


def _attribute(owner: Any, name: str) -> Any:
    """An attribute, where having it runs no code."""
    found = inspect.getattr_static(owner, name, _ABSENT)
    if inspect.ismemberdescriptor(found):  # a slot
        return getattr(owner, name, _ABSENT)
    return _ABSENT if isinstance(found, property) else found
