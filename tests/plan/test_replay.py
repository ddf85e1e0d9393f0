"""A recording as a plan: times, clients, names, acknowledgements; faster, and by more clients."""

import pytest

import labkit as lab
from labkit.base.clock import NS_PER_MS
from labkit.base.errors import ScheduleError, UsageError
from labkit.plan import recording
from labkit.plan import replay as replays
from labkit.plan.recording import Recorded


def recorded(path, *events):
    path.write_text("\n".join([recording.head(), *(event.line() for event in events)]))
    return path


@pytest.fixture
def day(tmp_path):
    return recorded(
        tmp_path / "day.jsonl",
        Recorded(12.0, "bob", "/desk", "note", ("later",), False),
        Recorded(10.0, "ann", "/", "price", ({"item": 1}, 2), True),
        Recorded(10.5, "ann", "/desk", "note", (b"\x00",), True),
        Recorded(10.5, "ann", "/", "price", (), False),
    )


def test_events_are_in_the_order_of_time_and_each_client_is_a_socket_in_a_namespace(day):
    found = lab.replay(day)
    assert (found.intended_ns // NS_PER_MS).tolist() == [0, 500, 500, 2000]
    assert found.names == ("price", "note", "price", "note")
    assert found.payloads == (({"item": 1}, 2), (b"\x00",), (), ("later",))
    assert found.asks == (True, True, False, False)
    assert found.connection.tolist() == [0, 1, 0, 2]
    assert found.namespaces == ("/", "/desk", "/desk")
    assert isinstance(found, lab.Schedule)


def test_twice_as_fast_by_three_times_as_many_clients(day):
    found = lab.replay(day, speed=2, copies=3)
    assert len(found) == 12
    assert (found.intended_ns // NS_PER_MS).tolist() == [0] * 3 + [250] * 6 + [1000] * 3
    assert found.connection.tolist() == [0, 3, 6, 1, 4, 7, 0, 3, 6, 2, 5, 8]
    assert found.namespaces == ("/", "/desk", "/desk") * 3
    assert found.names[:4] == ("price", "price", "price", "note")


def test_its_repr_says_what_is_in_it_and_what_is_not(day):
    with day.open("a") as file:
        file.write("\n{cut")
    text = repr(lab.replay(day, speed=2))
    for said in (
        "4 events, last at 1 s from 3 clients",
        "'price' 2, 'note' 2",
        "2 ask for an acknowledgement",
        "1 attachment;",
        "namespaces /, /desk",
        "2 times as fast",
        "not replayed: 1 lines that are no events, or were cut",
    ):
        assert said in text


@pytest.mark.parametrize(
    "wrong", [{"speed": 0}, {"speed": float("nan")}, {"speed": "2"}, {"copies": 0}, {"copies": 1.5}]
)
def test_a_speed_or_a_number_of_copies_that_is_none_is_refused(day, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        lab.replay(day, **wrong)


def test_more_than_a_client_keeps_is_refused_while_it_is_read(day, monkeypatch):
    monkeypatch.setattr(replays, "MOST_EVENTS", 3)
    with pytest.raises(UsageError, match="more than 3 events"):
        lab.replay(day)
    monkeypatch.undo()
    monkeypatch.setattr(replays, "MOST_BYTES", 10)
    with pytest.raises(UsageError, match="replay a part of it"):
        lab.replay(day)


def test_what_no_client_can_send_is_counted_and_a_damaged_time_is_told(tmp_path):
    odd = Recorded(1, 0, "/x?y", "a", (), False), Recorded(2, 0, "/", "\ud800", (), False)
    path = recorded(tmp_path / "a.jsonl", Recorded(0, 0, "/", "a", (), False), *odd)
    assert lab.replay(path).left_out == {"events in a namespace that is none": 1, "events that are no JSON": 1}
    recorded(path, Recorded(0, 0, "/", "a", (), False), Recorded(1e9, 0, "/", "a", (), False))
    with pytest.raises(UsageError, match="11,574 days apart"):
        lab.replay(path)


def test_a_file_that_is_not_there_is_told_by_a_sentence(tmp_path):
    for path in (tmp_path / "none.har", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            lab.replay(path)


def test_a_replay_is_fired_at_a_url_and_says_itself_what_is_sent(day):
    found = lab.replay(day)
    for wrong in ({"event": "x"}, {"payload": 1}, {"warm_up": 2}, {"namespace": "/desk"}):
        with pytest.raises(UsageError, match="a replay sends what was recorded"):
            lab.fire("http://127.0.0.1:1", found, **wrong)
    with pytest.raises(UsageError, match="several namespaces"):
        lab.fire("http://127.0.0.1:1", found, fan_out=True, response="said", match="id")
    with pytest.raises(ScheduleError):
        replays.Replay("x", [0], [1], 1, 0)
