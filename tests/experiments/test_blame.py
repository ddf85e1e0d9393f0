"""Who is to blame: the matrix, the lines, who is innocent, what is said of it, and its file."""

import json

import pytest

import labkit
from labkit.base.errors import RecordError
from labkit.experiments.blame import NOTHING, blame, load
from labkit.experiments.waits import EVERYBODY, HEARTBEATS, THE_LOOP, THE_SENT
from labkit.inside.places import EVENT, LIBRARY, MACHINE, ROUTE, TASK, UNNAMED, Place
from labkit.inside.record import Connection
from labkit.inside.watched import CAUSES, CLIENT, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP
from tests.support.blamed import RIGHT, is_right, run
from tests.support.watching import event, heartbeat, ns, record, slice_of, watched

EXPORT = Place(EVENT, "export", "shop/report.py", 41, "build", "shop.report", "export")
ROUTED = Place(ROUTE, "/report", "shop/app.py", 7, "report", "shop.app", "report")
FEED = Place(TASK, "feed", "shop/app.py", 20, "feed", "shop.app", "feed", at="")
CHAT = Place(EVENT, "chat", "shop/app.py", 30, "chat", "shop.app", "chat")
AT_LOCK = Place(EVENT, "export", "shop/app.py", 50, "export", "shop.app", "export", at="shop/app.py:31 in chat")
UNKNOWN_LOCK = Place(LIBRARY, "a lock of unknown holder", at="shop/app.py:31 in chat")
CHATS = [event("chat", 10, 60, 61), event("chat", 20, 60, 61)]


def of(slices, events=CHATS, **settings):
    return blame((record(events, **settings), watched(slices)))


def test_the_matrix_and_its_lines_add_up():
    told = of([slice_of(0, 60, EXPORT, GIL, event=9), slice_of(100, 130, ROUTED, GIL)])
    rows = {row.name: row for row in told.rows}
    assert rows["chat"].seconds == pytest.approx(0.09)
    assert rows["chat"].explained == pytest.approx(1)
    assert (rows["chat"].events, rows["chat"].longest_s) == (2, pytest.approx(0.05))
    for name, row in rows.items():
        assert sum(cell.seconds for cell in told.cells if cell.waited == name) <= row.seconds + 1e-9
        assert sum(line.share for line in told.lines if line.waited == name) <= 1 + 1e-9
    cell = next(cell for cell in told.cells if cell.waited == "chat")
    assert (cell.by, cell.kind, cell.cause) == ("export", "event", CAUSES[GIL])
    assert [finding.by for finding in told.findings] == ["export", "/report"]


def test_the_worst_in_words():
    told = of([slice_of(0, 60, EXPORT, GIL, event=9)])
    assert (
        repr(told)
        == str(told.told())
        == (
            "`shop/report.py:41 in build` held the GIL for 100% of the time that `chat` waited, up to 60 ms at once. "
            "It runs in the handler of `export`. Next: `labkit compare shop.report:build` measures what would help."
        )
    )
    assert told.verdict.target == "shop.report:build"


def test_a_handler_itself_cannot_be_measured_by_its_name():
    told = of([slice_of(0, 60, ROUTED, GIL)])
    assert told.verdict.target == ""
    assert "the route `/report`" in repr(told)
    assert "into a function of a module" in repr(told)


@pytest.mark.parametrize(
    ("place", "cause", "words"),
    [
        (EXPORT, LOOP, "held the event loop for 100% of the time that `chat` waited"),
        (FEED, GC, "Garbage collection, set off at `shop/app.py:20 in feed`, held everybody up"),
        (UNNAMED, GC, "Garbage collection held everybody up"),
    ],
)
def test_other_causes_that_hold_everybody_up(place, cause, words):
    told = of([slice_of(0, 60, place, cause)])
    assert told.verdict.cause == CAUSES[cause]
    assert words in repr(told)


def test_a_collection_of_garbage_that_no_event_met_is_nobody_s_business():
    assert of([slice_of(100, 160, FEED, GC)]).verdict.cause == NOTHING
    assert of([slice_of(100, 160, FEED, GIL)]).verdict.cause == CAUSES[GIL]


def test_a_lock_and_a_pool():
    events = [event("chat", 0, 0, 60, cpu=0.1), event("export", 0, 0, 60, cpu=0.1)]
    told = of([slice_of(0, 60, AT_LOCK, LOCK, event=1, waiter=0)], events)
    assert repr(told).startswith(
        "`shop/app.py:50 in export` held a lock, waited for at `shop/app.py:31 in chat`, for 100% of the time that"
    )
    told = of([slice_of(0, 60, UNKNOWN_LOCK, LOCK, waiter=0)], events)
    assert repr(told).startswith("`a lock of unknown holder` held a lock, waited for at `shop/app.py:31 in chat`,")
    told = of([slice_of(0, 60, AT_LOCK, POOL, event=1, waiter=0)], events)
    assert "held all threads of a pool" in repr(told)


def test_a_receive_loop():
    events = [event("chat", 0, 0, 90, free=90), event("chat", 10, 90, 91, dispatched=90, free=91)]
    told = of([slice_of(10, 80, CHAT, RECEIVE_LOOP, event=0, connection=0)], events, async_handlers=False)
    assert told.verdict.cause == CAUSES[RECEIVE_LOOP]
    assert "async_handlers=False" in repr(told)


def test_a_client_that_does_not_read_harms_nobody_else_and_comes_last():
    slow = slice_of(0, 700, FEED, CLIENT, connection=3)
    told = of([slow], [])
    assert (told.verdict.cause, told.verdict.waited) == (CAUSES[CLIENT], THE_SENT)
    assert "A client does not read: what `shop/app.py:20 in feed` sends to it" in repr(told)
    assert [each.cause for each in of([slow, slice_of(0, 60, EXPORT, GIL)]).findings] == [CAUSES[GIL], CAUSES[CLIENT]]
    assert of([slice_of(0, 100, FEED, CLIENT, connection=3)], []).verdict.cause == NOTHING


def test_nothing_to_blame():
    told = of([], [event("chat", 10, 14, 15)])
    assert told.verdict.cause == NOTHING
    assert repr(told) == "Nothing to blame: no event waited for more than 4.0 ms."
    assert repr(of([], [])) == "Nothing to blame: no event waited."


def test_short_holds_are_nobody_s_fault_unless_there_is_no_end_of_them():
    short = [slice_of(at, at + 5, EXPORT, GIL, event=at) for at in range(0, 1_000, 100)]
    assert of(short).verdict.cause == NOTHING
    endless = [slice_of(at, at + 5, EXPORT, GIL, event=at) for at in range(0, 1_000, 10)]
    assert of(endless).verdict.by == "export"


def test_who_was_put_off_its_core_with_the_gil_in_hand_is_innocent():
    told = of([slice_of(0, 60, CHAT, GIL, cpu=1), slice_of(0, 60, MACHINE, CORE)])
    assert {cell.by for cell in told.cells} == {"the machine"}
    assert told.verdict.cause == NOTHING, "60 ms of 1,000 are not often"


def test_no_free_core_is_said_and_is_no_fault_of_the_app():
    told = of([slice_of(0, 400, MACHINE, CORE)])
    assert told.verdict.cause == CAUSES[CORE]
    assert repr(told).startswith("Nothing in the app is to blame. No core was free for 100% of the time that `chat`")
    both = of([slice_of(0, 400, MACHINE, CORE), slice_of(0, 60, EXPORT, GIL)])
    assert both.verdict.by == "export"
    assert "No core was free" in repr(both)


def test_who_computes_in_an_event_loop_is_told_once():
    told = of([slice_of(0, 60, EXPORT, GIL, event=9), slice_of(60, 90, EXPORT, LOOP, event=9)])
    assert [finding.cause for finding in told.findings] == [CAUSES[GIL]]
    assert {row.name for row in told.rows} == {"chat", EVERYBODY, THE_LOOP}


def test_clients_that_were_lost_are_told_with_who_is_to_blame():
    gone = [Connection(number, "x", closed_ns=ns(900), reason="ping timeout") for number in (0, 1)]
    beats = [heartbeat(100, None, connection=number) for number in (0, 1)]
    told = of([slice_of(50, 890, EXPORT, GIL)], [], heartbeats=beats, connections=gone, ping_interval_s=1)
    assert told.verdict.lost == 2
    assert (told.verdict.waited, told.verdict.where) == (HEARTBEATS, "shop/report.py:41 in build")
    assert "that heartbeats (ping, pong) waited" in repr(told)
    assert "2 clients were lost for it: the server took no heartbeat of theirs until" in repr(told)
    row = next(row for row in told.rows if row.name == HEARTBEATS)
    assert (row.events, row.longest_s) == (2, pytest.approx(0.79))
    alone = of([slice_of(50, 890, EXPORT, GIL)], [], heartbeats=beats[:1], connections=gone, ping_interval_s=1)
    assert "1 client was lost for it" in repr(alone)


def test_from_a_folder_and_into_one(tmp_path):
    seen = record(CHATS), watched([slice_of(0, 60, EXPORT, GIL)])
    for each in seen:
        each.save(tmp_path)
    told = labkit.blame(tmp_path)
    assert told == blame(seen)
    told.save(tmp_path / "new")
    assert load(tmp_path / "new") == told


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(RecordError, match="holds no blame"):
        load(tmp_path)
    (tmp_path / "blame.json").write_text("{", "utf-8")
    with pytest.raises(RecordError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "blame.json").write_text(json.dumps({"schema_version": 99}), "utf-8")
    with pytest.raises(RecordError, match="newer labkit"):
        load(tmp_path)


@pytest.mark.measured
@pytest.mark.parametrize("name", RIGHT)
def test_an_app_with_one_known_culprit(name, tmp_path):
    run(name, tmp_path)
    told = blame(tmp_path)
    assert is_right(name, told), told.told()


@pytest.mark.measured
def test_heartbeats_that_waited_are_a_row_with_the_line(tmp_path):
    def ask_between_ping_and_pong(clients):
        for _ in range(2):
            assert clients[0].receive() == "2"
            clients[0].send('42["export",1]')
            clients[0].send("3")

    run("loop-late", tmp_path, use=ask_between_ping_and_pong)
    told = blame(tmp_path)
    row = next(row for row in told.rows if row.name == HEARTBEATS)
    assert row.events >= 1
    worst = next(line for line in told.lines if line.waited == HEARTBEATS)
    assert (worst.by, worst.cause) == ("export", CAUSES[LOOP])
    assert worst.where.startswith("tests/support/loop_culprits.py:")
