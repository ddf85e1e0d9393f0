"""The last minute of a server in figures: on a clock that stands still, and from rows that were made by hand."""

from types import SimpleNamespace

import pytest

from labkit.base.clock import NS_PER_MS
from labkit.inside.places import EVENT, Place, Places
from labkit.inside.recent import ConnectionsNow, Holder, Times, Wait, from_bytes
from labkit.inside.seeing import CPU_NS, Seeing
from labkit.inside.slices import Slices
from labkit.inside.telling import KEPT, NAMES_TOLD, ROWS_AT_ONCE, Telling
from labkit.inside.watched import CORE, GIL, LOCK, RECEIVE_LOOP
from tests.support.fake_clock import FakeClock

BUILD = Place(EVENT, "export", "shop/report.py", 41, "build")


class Server:
    """What its hooks would have seen of it."""

    def __init__(self, events=2_048, watched=False):
        self.now = FakeClock(start_ns=100_000 * NS_PER_MS)
        self.seeing = Seeing(events=events, now=self.now)
        places = Places(self.seeing)
        self.watch = SimpleNamespace(slices=Slices(places), places=places, still_ns={}) if watched else None

    def telling(self, **options):
        return Telling(self.seeing, [], lambda: self.watch, **options)

    def event(self, name="chat", *, wait_ms=0.0, ms=0.0, cpu_ms=None, live=None, error=None):
        """One event, from its coming to its handler's end; its number."""
        event = self.seeing.arrived(live, "/", [name])
        self.now.advance(ms=wait_ms)
        self.seeing.begin(event, cpu=False)
        self.now.advance(ms=ms)
        if error is not None:
            self.seeing.raised(event, error)
        self.seeing.end(event)
        if cpu_ms is not None:
            self.seeing.events.data[event.at + CPU_NS] = round(cpu_ms * NS_PER_MS)
        return event.number

    def held(self, begin_ms, end_ms, cause=GIL, place=BUILD, **about):
        """A slice, in ms before now."""
        begin, end = (self.now() - round(ms * NS_PER_MS) for ms in (begin_ms, end_ms))
        self.watch.slices.add(begin, end, place, cause, end - begin, **about)


@pytest.fixture
def server():
    return Server()


def only(recent):
    (event,) = recent.events
    return event


def test_nothing(server):
    recent = server.telling().tell()
    assert (recent.events, recent.events_seen, recent.in_flight, recent.connections) == ((), 0, 0, ConnectionsNow())
    assert from_bytes(recent.to_bytes()) == recent


def test_the_figures_of_an_event(server):
    telling = server.telling()
    for wait_ms, ms in ((1, 5), (2, 6), (30, 100)):
        server.event(wait_ms=wait_ms, ms=ms)
    server.event("broken", error=KeyError("x"))
    server.now.advance(ms=1_000)
    recent = telling.tell()
    chat, broken = recent.events
    assert (chat.name, chat.count, chat.per_s) == ("chat", 3, 0.6)
    assert chat.queue == Times(3, 2.0, 30.0)
    assert chat.service == Times(3, 6.0, 100.0)
    assert (chat.worst.waited_ms, broken.errors, chat.errors) == (30.0, 1, 0)
    assert from_bytes(recent.to_bytes()) == recent


def test_of_many_the_98th_percentile(server):
    for ms in range(1, 201):
        server.event(ms=ms)
    assert only(server.telling().tell()).service == Times(200, 100.0, 196.0)


def test_a_minute_later_it_is_forgotten(server):
    telling = server.telling()
    server.event(wait_ms=50)
    server.now.advance(ms=59_000)
    assert only(telling.tell()).worst.waited_ms == 50.0
    server.event(wait_ms=5)
    assert only(telling.tell()).worst.waited_ms == 50.0
    server.now.advance(ms=2_000)
    assert only(telling.tell()).worst.waited_ms == 5.0
    server.now.advance(ms=61_000)
    assert telling.tell().events == ()


def test_with_whole_nothing_is_forgotten_and_nothing_from_before_is_told(server):
    server.event("before")
    telling = server.telling(whole=True)
    for _ in range(ROWS_AT_ONCE + KEPT):
        server.event(wait_ms=100)
    recent = telling.tell()
    assert recent.span_s == pytest.approx(75.6)
    assert (only(recent).count, only(recent).queue.count) == (756, 756)
    assert only(recent).per_s == pytest.approx(10, rel=0.05)


def test_one_that_runs_and_one_that_waits_in_flight(server):
    telling = server.telling()
    runs = server.seeing.arrived(None, "/", ["export"])
    server.seeing.begin(runs, cpu=False)
    waits = server.seeing.arrived(None, "/", ["chat"])
    server.now.advance(ms=40)
    recent = telling.tell()
    told = {each.name: each for each in recent.events}
    assert (recent.in_flight, told["export"].running, told["chat"].waiting) == (2, 1, 1)
    assert told["chat"].worst == Wait(40.0, "ran meanwhile", "export", "", is_over=False)
    server.seeing.end(runs)
    server.seeing.begin(waits, cpu=False)
    server.seeing.end(waits)
    recent = telling.tell()
    assert recent.in_flight == 0
    assert {each.name: each.service.count for each in recent.events} == {"chat": 1, "export": 1}


def test_one_that_the_library_dropped_waits_not_for_ever(server):
    telling = server.telling()
    live = server.seeing.connections.open("sid", "hash", 1)
    server.seeing.arrived(live, "/", ["early"])
    server.seeing.free(live, {}, "sid")
    assert telling.tell().in_flight == 1
    server.now.advance(ms=30_001)
    assert telling.tell().in_flight == 0


def test_under_load_it_looks_at_the_newest_and_still_counts(server):
    telling = server.telling()
    telling.tell()
    for _ in range(ROWS_AT_ONCE * 2):
        server.event()
    server.now.advance(ms=1_000)
    event = only(telling.tell())
    assert (event.count, event.per_s, event.queue.count) == (2 * ROWS_AT_ONCE, 2 * ROWS_AT_ONCE / 5, KEPT)


def test_a_ring_that_overtakes_it_spoils_nothing():
    server = Server(events=8)
    telling = server.telling()
    server.seeing.arrived(None, "/", ["lost"])
    telling.tell()
    for _ in range(20):
        server.event("chat", ms=1)
    recent = telling.tell()
    assert recent.in_flight == 0
    assert {each.name: each.service.count for each in recent.events} == {"chat": 8, "lost": 0}


def test_more_names_than_are_told(server):
    for number in range(NAMES_TOLD + 3):
        server.event(f"name{number}")
    recent = server.telling().tell()
    assert (len(recent.events), recent.left_out) == (NAMES_TOLD, 3)


def test_emits(server):
    telling = server.telling()
    for _ in range(10):
        sending = server.seeing.emit_begins("said", "/", None)
        sending.receivers = 4
        server.seeing.emit_ends(sending)
    server.now.advance(ms=1_000)
    recent = telling.tell()
    assert (recent.emits_per_s, recent.sent_per_s) == (2.0, 8.0)


def test_connections(server):
    connections, start = server.seeing.connections, server.now()
    for number in range(3):
        connections.open(f"sid{number}", "hash", start).opened_ns = start
    first, second, third = connections.live.values()
    first.websocket, first.upgraded_ns, first.headroom_ns = True, start, 19_500 * NS_PER_MS
    second.queued, second.written = 9, 4
    third.buffer = SimpleNamespace(arrivals=[1, 2])
    assert server.telling().tell().connections == ConnectionsNow(3, 1, 0, 19.5, 2, 5)
    server.now.advance(ms=5_000)
    assert server.telling().tell().connections.never_upgraded == 2


# For whom


def test_who_held_the_gil_while_it_waited():
    server = Server(watched=True)
    telling = server.telling()
    number = server.event(wait_ms=200)
    server.held(150, 50)
    server.held(50, 10, CORE, Place("library", "the machine"))
    server.held(200, 0, GIL, Place(EVENT, "chat"), event=number)  # of its own handler: nobody waits for oneself
    recent = telling.tell()
    assert only(recent).worst == Wait(200.0, "held the GIL", "export", "shop/report.py:41 in build")
    assert recent.is_watched


def test_who_held_the_gil_while_its_handler_ran():
    """As far as the handler did not compute itself."""
    server = Server(watched=True)
    telling = server.telling()
    server.event(ms=100, cpu_ms=30)
    server.held(95, 5)
    assert only(telling.tell()).worst == Wait(70.0, "held the GIL", "export", "shop/report.py:41 in build")


def test_a_handler_that_sleeps_waits_for_nobody():
    server = Server(watched=True)
    telling = server.telling()
    number = server.event(ms=100, cpu_ms=0)
    server.held(95, 5)
    server.watch.still_ns[number] = 100 * NS_PER_MS
    assert only(telling.tell()).worst is None


def test_a_lock_and_the_receive_loop():
    server = Server(watched=True)
    telling = server.telling()
    live = server.seeing.connections.open("sid", "hash", 1)
    number = server.event(ms=80, cpu_ms=0)
    server.held(80, 10, LOCK, BUILD, waiter=number)
    other = server.event("next", wait_ms=60, live=live)
    server.held(50, 5, RECEIVE_LOOP, BUILD, event=number, connection=live.number)
    server.held(50, 5, RECEIVE_LOOP, Place(EVENT, "elsewhere"), event=number, connection=live.number + 1)
    told = {each.name: each.worst for each in telling.tell().events}
    assert other == 1
    assert (told["chat"].waited_ms, told["chat"].cause) == (70.0, "held a lock")
    assert (told["next"].waited_ms, told["next"].cause, told["next"].who) == (
        60.0,
        "held the receive loop of its client",
        "export",
    )


def test_without_a_watch_what_ran_meanwhile(server):
    telling = server.telling()
    waits = server.seeing.arrived(None, "/", ["chat"])
    server.event("export", ms=300)
    server.event("short", ms=10)
    server.seeing.begin(waits, cpu=False)
    server.seeing.end(waits)
    told = {each.name: each.worst for each in telling.tell().events}
    assert told["chat"] == Wait(310.0, "ran meanwhile", "export")
    assert not server.telling().tell().is_watched


def test_who_holds_everybody_up_now():
    server = Server(watched=True)
    telling = server.telling()
    server.now.advance(ms=10_000)
    server.held(9_000, 4_000)
    server.held(4_000, 3_990)  # too little to tell
    server.held(2_000, 0, CORE, Place("library", "the machine"))
    assert telling.tell().holders == (
        Holder(0.501, "held the GIL", "export", "shop/report.py:41 in build"),
        Holder(0.2, "no free core", "the machine"),
    )
    server.now.advance(ms=9_000)
    assert [each.who for each in telling.tell().holders] == ["the machine"]
