"""Expectations as lines of text: what is understood, and what is told to who writes something else."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.runs import expectation
from labkit.runs.expectation import MOST_CHARACTERS, OPERATORS, parse
from labkit.runs.quantity import COUNT, COUNTS, RATE, SHARE, TIME, TIMES


@pytest.mark.parametrize(
    ("line", "quantity", "kind", "bound", "of_base", "strategy"),
    [
        ("bystander.p98 < 200ms", "bystander.p98", TIME, 200, False, ""),
        ("own.p99.9<=1.5 s", "own.p99.9", TIME, 1500, False, ""),
        ("lost == 0", "lost", COUNT, 0, False, ""),
        ("goodput >= 95%", "goodput", SHARE, 0.95, False, ""),
        ("rate > 50/s", "rate", RATE, 50, False, ""),
        ("rate > 50", "rate", RATE, 50, False, ""),
        ("own.p98 < 1.1 * base", "own.p98", TIME, 1.1, True, ""),
        ("own.p98 < base", "own.p98", TIME, 1, True, ""),
        ("shed <= 5%", "shed", COUNT, 0.05, False, ""),
        ("thread: lost == 0", "lost", COUNT, 0, False, "thread"),
        ("pool, workers=2 (gevent): lost == 0", "lost", COUNT, 0, False, "pool, workers=2 (gevent)"),
    ],
)
def test_a_line_is_read(line, quantity, kind, bound, of_base, strategy):
    found = parse(line)
    assert (found.quantity.name, found.quantity.kind) == (quantity, kind)
    assert (found.bound, found.of_base, found.strategy) == (pytest.approx(bound), of_base, strategy)
    assert str(found) == line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ownp98 < 3ms", r"own\.p98\?"),
        ("bystandr.p98 < 3ms", r"bystander\.p98\?"),
        ("losst == 0", r"lost\?"),
        ("own < 3ms", r"own is a distribution: write own\.p98"),
        ("own.p10 < 3ms", r"own has no 'p10'.*from p50 on"),
        ("own.p100 < 3ms", "has no 'p100'"),
        ("qqqq < 3", "there are own, bystander"),
        ("own.p98 < 3", "like 200ms or 1.5s, and this has no unit"),
        ("own.p98 < 3%", "and this has the unit %"),
        ("lost == 0ms", "like 0, and this has the unit ms"),
        ("goodput >= 0.95", "like 95%"),
        ("goodput >= 101%", "at most 100%"),
        ("strays <= 5%", "no share of the events"),
        ("own.p98 << 3ms", "cannot be read at '< 3ms'"),
        ("own.p98 < 3ms and lost == 0", "cannot be read at 'and lost == 0'"),
        ("own.p98 <", "something is missing"),
        ("", "something is missing"),
        ("own.p98 < 1e9ms", "cannot be read at 'e9ms'"),
        ("own.p98 < -3ms", "cannot be read at '-3ms'"),
        ("__import__('os').system('x') < 3", "cannot be read at"),
        ("own.p98 < 3 * based", "cannot be read"),
        ("lost < 2 * base", "give lost a number"),
        ("own.p98 < 0 * base", "above 0"),
        ("own.p98 == 3ms", "write <= or >="),
        ("own.p98 == base", "write <= or >="),
        ("x" * 301, "an expectation is a line such as"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_write(line, said):
    with pytest.raises(UsageError, match=said) as refused:
        parse(line)
    assert len(str(refused.value)) < 700
    assert "\n" not in str(refused.value)


#: Pieces of lines, so that some of what is tried is nearly one.
PIECES = [
    "own.p98",
    "lost",
    "goodput",
    "rate",
    "<",
    "<=",
    "==",
    ">=",
    "1",
    "1.5",
    "ms",
    "s",
    "%",
    "/s",
    "*",
    "base",
    ":",
]


@settings(max_examples=60)
@given(st.text(max_size=MOST_CHARACTERS + 5) | st.lists(st.sampled_from(PIECES), max_size=7).map(" ".join))
def test_no_text_raises_anything_else(text):
    with contextlib.suppress(UsageError):
        assert parse(text).operator in OPERATORS


@given(
    st.sampled_from(TIMES),
    st.sampled_from(["p50", "p97.5", "max", "mean"]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.floats(0, 1e6).map(lambda number: f"{number:.3f}"),
    st.sampled_from(["ms", "s", " * base"]),
)
def test_every_time_can_be_asked_for(time, statistic, operator, number, unit):
    if unit == " * base" and float(number) == 0:
        return
    found = parse(f"{time}.{statistic} {operator} {number}{unit}")
    assert found.bound == pytest.approx(float(number) * (1000 if unit == "s" else 1))
    assert found.wants_less == (operator in ("<", "<="))


@pytest.mark.parametrize("name", COUNTS)
def test_every_count_can_be_asked_for(name):
    assert parse(f"{name} <= 7").quantity.name == name


def write(tmp_path, text):
    path = tmp_path / "expected.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_holds_a_list(tmp_path):
    found = expectation.read(write(tmp_path, '# ours\nexpect = ["lost == 0", "thread: own.p98 < 1s"]\n'))
    assert [str(one) for one in found] == ["lost == 0", "thread: own.p98 < 1s"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expect = [", "cannot be read as TOML"),
        (b"\xff\xfe", "cannot be read as TOML"),
        ("", "holds no list of expectations"),
        ("expect = []", "holds no list of expectations"),
        ("expect = 3", "holds no list of expectations"),
        ("expect = [3]", "holds no list of expectations"),
        ('expected = ["lost == 0"]', "expect\\?"),
        ('expect = ["lost == 0ms"]', "expected.toml: 'lost == 0ms'"),
        ("x = [" * 5000, "cannot be read as TOML"),
        ("# " + "x" * 200_000, "larger than"),
    ],
)
def test_a_file_that_holds_something_else_is_told(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        expectation.read(write(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        expectation.read(tmp_path / "none.toml")
