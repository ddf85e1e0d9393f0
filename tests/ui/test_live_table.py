"""What a server does now, as text: within the terminal's width, with causes in words, names as they are."""

import pytest
from rich.console import Console

from labkit.inside.recent import ConnectionsNow, EventNow, Holder, Recent, Times, Wait
from labkit.ui import live_table

CAUSE = Wait(640.0, "held the GIL", "export", "shop/report.py:41 in build")


def event(name="chat", worst=CAUSE, **about):
    times = {"queue": Times(200, 1.24, 640.0), "service": Times(200, 0.3, 12_000.0)}
    return EventNow(**{"name": name, "namespace": "/", "count": 123_456, "per_s": 1_234.5, **about}, worst=worst,
                    running=1, waiting=2, errors=0, **times)  # fmt: skip


def recent(*events, **about):
    return Recent(pid=4711, taken_ns=0, span_s=60.0, events_seen=123_456, events=events, **about)


def text(*recents, width=80, height=None):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(live_table.of(recents, width, height))
    return captured.get()


def test_all_that_there_is():
    told = text(
        recent(
            event(),
            event("hi", namespace="/rooms", worst=None),
            connections=ConnectionsNow(40, 38, 2, 18.24, 3, 17),
            emits_per_s=12.34,
            sent_per_s=493.6,
            is_watched=True,
            async_mode="threading",
            async_handlers=False,
            holders=(Holder(0.63, "held the GIL", "export", "shop/report.py:41 in build"),),
        )
    )
    for part in (
        "Process 4711, async_mode=threading, async_handlers=False: 123456 events, 6 in flight",
        "40 connections, 38 by websocket, 2 never upgraded",
        "least heartbeat headroom 18.2 s",
        "12.3 emits/s",
        "hi in /rooms",
        "123k",
        "1.2/640",
        "0.3/12s",
        "chat waited 640 ms: export held the GIL, shop/report.py:41 in build",
        "63% of the last seconds: export held the GIL at shop/report.py:41 in build",
    ):
        assert part in " ".join(told.split()), told
    assert "is not watched" not in told


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_is_too_long(width):
    told = text(recent(event("x" * 100), event(), connections=ConnectionsNow(1, 1, 1, 1.0, 1, 1)), width=width)
    assert max(map(len, told.splitlines())) <= width
    header = next(line for line in told.splitlines() if line.startswith("event"))
    assert ("because" in header) == (width >= live_table.WIDE)
    for word in ("count", "/s", "wait", "handler", "worst", "now", "errors"):
        assert word in header


def test_names_are_no_markup():
    assert "[red]a[/]" in text(recent(event("[red]a[/]", worst=Wait(20.0, "held a lock", "[bold]b", ""))))
    assert "[bold]b held a lock" in text(recent(event("c", worst=Wait(20.0, "held a lock", "[bold]b", ""))))


@pytest.mark.parametrize(
    ("worst", "says"),
    [
        (Wait(9.0, "held a lock", "x"), None),
        (Wait(90.0), None),
        (Wait(90.0, is_over=False), "and waits still"),
        (Wait(90.0, "no free core", "the machine"), "no free core"),
        (Wait(90.0, "garbage collection", "x", "a.py:1 in f"), "garbage collection, a.py:1 in f"),
        (Wait(90.0, "does not read", "news"), "a client does not read what news sends"),
        (Wait(90.0, "ran meanwhile", "export", is_over=False), "meanwhile ran export (waits still)"),
    ],
)
def test_causes_in_words(worst, says):
    told = text(recent(event(worst=worst)))
    assert (f"chat waited {worst.waited_ms:.0f} ms: {says}\n" in told) if says else "chat waited" not in told


@pytest.mark.parametrize("processes", [1, 3])
def test_a_low_terminal(processes):
    told = text(*[recent(*[event(f"e{number}") for number in range(30)])] * processes, height=24 * processes)
    assert len(told.splitlines()) <= 24 * processes
    assert "more names" in told


def test_nothing_yet():
    assert "No event came." in text(recent())
