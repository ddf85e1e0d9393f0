"""The locustfile that labkit writes: what was typed stays data, and its client does what Socket.IO's protocol says.

Locust itself is no part of this: importing it would patch this process. Its names are stood in for.
"""

import ast
import json
import re
import sys
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan.exchange import BY_ACK, BY_EVENT
from labkit.scale.locustfile import LocustPlan

URL = "http://127.0.0.1:5000"


def literal(text):
    """What stands behind ``PLAN =`` in a file; it has to be a literal."""
    (found,) = (
        each.value for each in ast.parse(text).body if isinstance(each, ast.Assign) and each.targets[0].id == "PLAN"
    )
    return ast.literal_eval(found)


#: What stands before and after the literal, whatever it is.
BEFORE, AFTER = (part for part in re.split(r"(?<=\nPLAN = )\{.*?\n\n", LocustPlan(URL).text, flags=re.DOTALL))
AFTER = f"\n\n{AFTER}"

typed = st.text(min_size=1).filter(lambda text: text not in ("connect", "connect_error", "disconnect", "bystander"))


@settings(max_examples=40)
@given(typed, st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_is_typed_is_a_literal_and_nothing_else_changes(event, payload):
    text = LocustPlan(URL, event=event, data=[payload], auth={"token": event}).text
    assert text.startswith(BEFORE)
    assert text.endswith(AFTER)
    told = ast.literal_eval(text.removeprefix(BEFORE).removesuffix(AFTER))
    assert (told["event"], told["data"], told["auth"]) == (event, [[payload]], {"token": event})


def test_a_name_that_tries_to_be_a_template_or_code_is_a_name():
    for event in ("{{ 7 * 7 }}", '"; import os #', "'''", "\\", "{% raise %}", "\n"):
        assert literal(LocustPlan(URL, event=event).text)["event"] == event


def test_it_imports_nothing_of_labkit():
    tree = ast.parse(LocustPlan(URL).text)
    names = {each.names[0].name for each in ast.walk(tree) if isinstance(each, ast.Import)}
    names |= {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"gevent", "locust", "websocket"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "ftp://x"}, "no URL of a Socket.IO server"),
        ({"event": ""}, "must be the name of an event"),
        ({"rate_hz": 0}, "rate_hz of a locustfile is a number above 0"),
        ({"seconds": float("nan")}, "seconds of a locustfile"),
        ({"clients": 0}, "1 to 50,000 clients"),
        ({"clients": 1.5}, "1 to 50,000 clients"),
        ({"seed": "x"}, "a whole number"),
        ({"data": []}, "nothing to send"),
        ({"data": [b"bytes"]}, "carries JSON alone"),
        ({"data": [float("nan")]}, "carries JSON alone"),
        ({"data": ["x" * 5_000_000]}, "too much for a locustfile"),
        ({"headers": {"A": "b\r\nc"}}, "line break"),
        ({"path": "x"}, "path is where Socket.IO is served"),
        ({"namespace": "x"}, "a namespace begins with /"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, told):
    with pytest.raises(UsageError, match=told):
        LocustPlan(**{"url": URL, **wrong})


def test_it_says_what_counts_as_the_answer():
    assert LocustPlan(URL).exchange.answer == BY_ACK
    found = LocustPlan(URL, response="priced", match="ref=order.id")
    assert (found.exchange.answer, found.exchange.answer_event, found.exchange.match) == (
        BY_EVENT,
        "priced",
        "ref=order.id",
    )
    assert literal(found.text)["match"] == ["ref", "order.id"]
    assert literal(LocustPlan(URL, response="priced", match="id").text)["match"] == ["id", "id"]


# --- its client, with Locust's names stood in for ---


class Hook(list):
    """Locust's event hooks: what listens, and what was fired."""

    def __init__(self):
        super().__init__()
        self.fired = []

    def add_listener(self, function):
        self.append(function)
        return function

    def fire(self, **told):
        self.fired.append(told)
        for listener in self:
            listener(**told)


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """The names of a file that was written for a plan."""

    def load(**asked):
        events = types.SimpleNamespace(spawning_complete=Hook(), request=Hook(), quitting=Hook())
        locust = types.ModuleType("locust")
        locust.LoadTestShape, locust.User, locust.events = object, object, events
        locust.task = lambda function: function
        gevent = types.ModuleType("gevent")
        gevent.event = types.ModuleType("gevent.event")
        gevent.event.Event = type("Event", (), {"set": lambda self: None})
        stand_ins = {"locust": locust, "gevent": gevent, "gevent.event": gevent.event}
        for name, module in {**stand_ins, "websocket": types.ModuleType("websocket")}.items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setenv("LABKIT_ROWS", str(tmp_path))
        names = {"__name__": "locustfile"}
        exec(compile(LocustPlan(URL, **asked).text, "locustfile.py", "exec"), names)
        return types.SimpleNamespace(**names)

    return load


def person(file):
    """A client whose connection only keeps what is sent."""
    one = file.Person()
    one.number, one.sent, one.waiting = 3, 0, {}
    one.environment = types.SimpleNamespace(events=file.events)
    one.connection = file.Connection.__new__(file.Connection)
    one.connection.space, one.connection.on_answer = "", one.answered
    said = []
    one.connection.ws = types.SimpleNamespace(said=said, send=said.append)
    return one


def test_one_event_is_one_request_from_when_it_was_due_until_its_acknowledgement(loaded):
    file = loaded(event="price", data=[{"id": "{counter}", "who": "client {client}"}])
    one = person(file)
    one.send(1_000_000)
    one.send(2_000_000)
    first, second = 3 << 24, (3 << 24) + 1
    assert one.connection.ws.said == [
        f'420["price", {{"id": {first}, "who": "client 3"}}]',
        f'421["price", {{"id": {second}, "who": "client 3"}}]',
    ]
    one.connection.heed('431["b"]', 9_000_000)
    one.connection.heed('431["again"]', 10_000_000)  # what comes twice is one request
    one.connection.heed('4399["nobody\'s"]', 10_000_000)
    one.connection.heed("430[]", 12_000_000)
    told = [(each["name"], each["response_time"], each["exception"]) for each in file.events.request.fired]
    assert told == [("price", 7.0, None), ("price", 11.0, None)]
    assert [row["answered_ns"] for row in file.rows] == [9_000_000, 12_000_000]


@pytest.mark.parametrize("frame", ['42["priced",{"order":{"id":7}}]', '451-["priced",{"order":{"id":7},"png":{}}]'])
def test_an_answer_that_is_an_event_is_timed_by_its_field(loaded, frame):
    file = loaded(event="order", response="priced", match="ref=order.id", data=[{"ref": 7}])
    one = person(file)
    one.send(0)
    one.connection.heed('42["priced",{"order":{"id":8}}]', 1_000_000)
    one.connection.heed('42["priced"]', 1_000_000)
    one.connection.heed('42["other",{"order":{"id":7}}]', 1_000_000)
    assert file.events.request.fired == []
    one.connection.heed(frame, 5_000_000)
    (told,) = file.events.request.fired
    assert told["response_time"] == 5


def test_what_came_together_is_read_once_and_has_one_instant(loaded):
    """websocket-client asks for a frame's head, its length and its text one after the other."""
    connection = person(loaded()).connection
    came = [b"\x81\x03one\x81", b"\x03two"]
    connection.receive, connection.held = lambda size: came.pop(0), b""
    taken, instants = [], []
    for size in (2, 3, 1, 1, 3):
        taken.append(connection.take(size))
        instants.append(connection.read_ns)
    assert taken == [b"\x81\x03", b"one", b"\x81", b"\x03", b"two"]
    assert instants[0] == instants[1] == instants[2] < instants[3] == instants[4]


def test_in_a_namespace_frames_are_read_and_written_there(loaded):
    file = loaded(namespace="/desk")
    one = person(file)
    one.connection.space = "/desk,"
    one.send(0)
    assert one.connection.ws.said == ['42/desk,0["message"]']
    one.connection.heed("43/desk,0[]", 1_000_000)
    assert len(file.rows) == 1


def test_what_has_no_answer_in_time_is_one_failed_request_and_a_later_answer_changes_nothing(loaded):
    file = loaded(timeout_s=1)
    one = person(file)
    one.send(0)
    one.give_up(500_000_000)
    assert file.rows == []
    one.give_up(1_100_000_000)
    one.give_up(None)
    one.connection.heed("430[]", 2_000_000_000)
    (row,) = file.rows
    assert row["problem"].startswith("NoAnswer: none within 1 s")
    assert "answered_ns" not in row


def test_answers_that_are_matched_by_order_keep_their_places_after_a_time_limit(loaded):
    file = loaded(response="priced", timeout_s=1)
    one = person(file)
    one.send(0)
    one.give_up(1_100_000_000)
    one.send(1_200_000_000)
    one.connection.heed('42["priced"]', 1_300_000_000)  # the first event's, and too late
    one.connection.heed('42["priced"]', 1_400_000_000)
    assert [row.get("answered_ns") for row in file.rows] == [None, 1_400_000_000]


def test_what_cannot_be_sent_is_told_once(loaded):
    file = loaded()
    one = person(file)

    def refuse(text):
        raise ConnectionError("gone")

    one.connection.ws.send = refuse
    one.send(0)
    one.give_up(None)
    (row,) = file.rows
    assert (row["sent_ns"], row["problem"]) == (None, "ConnectionError: gone")


def test_what_is_under_way_when_somebody_stops_the_test_is_neither_lost_nor_answered(loaded):
    file = loaded(timeout_s=1000)
    one = person(file)
    one.reader = None
    one.send(file.time.perf_counter_ns())
    one.on_stop()
    assert (file.rows, len(file.unfinished)) == ([], 1)


def test_the_plan_ends_after_its_last_answers_or_where_a_file_asks_for_it(loaded, tmp_path):
    file = loaded(seconds=5, timeout_s=2, clients=3)
    plan = file.Plan()
    now_s, users = 0.0, 0
    plan.get_run_time, plan.get_current_user_count = lambda: now_s, lambda: users
    assert plan.tick() == (3, 3)
    now_s, users = 2.0, 3
    assert plan.tick() == (3, 3)  # from here on events are due
    now_s = 2 + 5 + 2 + 0.5
    assert plan.tick() == (3, 3)
    now_s = 2 + 5 + 2 + 1.5
    assert plan.tick() is None
    now_s = 3.0
    assert plan.tick() == (3, 3)
    (tmp_path / "stop").touch()
    assert plan.tick() is None


def test_a_plan_whose_clients_never_come_ends_too(loaded):
    file = loaded(seconds=5, timeout_s=2, clients=3)
    plan = file.Plan()
    plan.get_run_time, plan.get_current_user_count = lambda: 10 + 5 + 2 + 1.5, lambda: 2
    assert plan.tick() is None


def test_what_a_url_asks_for_is_asked_for():
    assert literal(LocustPlan(f"{URL}/?room=a b&x=%26").text)["query"] == "&room=a%20b&x=%26"


def test_rows_are_written_whole_with_what_belongs_to_all_of_them(loaded, tmp_path):
    file = loaded()
    one = person(file)
    one.send(0)
    one.connection.heed("430[]", 1_000_000)
    file.events.request.fire(request_type="connect", exception=ConnectionError("no"), context={})
    for runner in ("MasterRunner", "WorkerRunner"):
        file.write(types.SimpleNamespace(runner=type(runner, (), {})()))
    (rows,) = tmp_path.iterdir()
    first, only = map(json.loads, rows.read_text().splitlines())
    assert (first["refusals"], first["cut_ns"], first["plan"]["url"]) == (["ConnectionError: no"], None, URL)
    assert "auth" not in first["plan"]  # nor headers: it may be a password
    assert (only["client"], only["answered_ns"]) == (3, 1_000_000)
