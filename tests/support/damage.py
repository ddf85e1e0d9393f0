"""Damage to files that somebody saved: cut short, bytes turned, JSON edited."""

import json

from hypothesis import strategies as st

VALUES = st.sampled_from(
    [None, True, -1, 0, 3, 2**62, 10**400, 1.5, float("nan"), float("inf"), "", "x", "\ud800", [], [[]], {}, {"a": 1}]
)


@st.composite
def damage(draw, *names):
    """A function that damages one of these files of a folder; and its name."""
    name = draw(st.sampled_from(names))
    kind = draw(st.sampled_from(["cut", "bytes", "edit"] if name.endswith(".json") else ["cut", "bytes", "word"]))
    part = draw(st.floats(0, 1))
    if kind == "edit":
        deep, value = draw(st.lists(st.integers(0, 40), min_size=1, max_size=4)), draw(VALUES)
        return name, lambda data: _edited(data, deep, value)
    if kind == "cut":
        return name, lambda data: data[: int(part * len(data))]
    # A word is one value of a column.
    new = draw(st.binary(min_size=1, max_size=8)) if kind == "bytes" else draw(st.sampled_from(WORDS))
    step = 1 if kind == "bytes" else 8
    return name, lambda data: _turned(data, int(part * len(data)) // step * step, new)


WORDS = [value.to_bytes(8, "little", signed=True) for value in (-1, 0, 2, 999, 2**40, 2**60, -(2**63), 2**63 - 1)]


def _turned(data, at, new):
    return (data[:at] + new + data[at + len(new) :])[: len(data)]


def _edited(data, deep, value):
    """JSON with one value replaced: that which is found by these steps."""
    told = json.loads(data)
    inner = told
    for number, step in enumerate(deep):
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        if not keys:
            break
        key = keys[step % len(keys)]
        if number == len(deep) - 1 or not isinstance(inner[key], list | dict) or not inner[key]:
            inner[key] = value
            break
        inner = inner[key]
    return json.dumps(told).encode()
