"""Handlers as they are: whatever they are called, and however they answer, each event is answered and stamped."""

import numpy as np
import pytest
from flask import request
from flask_socketio import Namespace, emit, join_room

import labkit as lab
from labkit.base.errors import LabError, UsageError
from labkit.client.fleet import ClientFleet
from tests.support.helpers import nothing_left_behind

WORK = lab.io_wait(2)

pytestmark = pytest.mark.measured


@pytest.fixture(scope="module")
def two():
    with ClientFleet(2) as fleet:
        yield fleet


def fire(register, client, events=4, *, work=WORK, mode="threading", **settings):
    with nothing_left_behind(), lab.serve(register, work, mode=mode) as server:
        return lab.fire(server, lab.burst(events), client=client, window_s=0.1, **settings)


def by_ack(socketio, complex_calculation):
    socketio.on_event("message", complex_calculation)


def bare(socketio, complex_calculation):
    socketio.on_event("message", lambda data: complex_calculation(data)["result"])


def named(socketio, complex_calculation):
    @socketio.on("price", namespace="/desk")
    def handle(data):
        emit("priced", complex_calculation(data))


def class_based(socketio, complex_calculation):
    class Desk(Namespace):
        def on_message(self, data):
            emit("response", complex_calculation(data))

    socketio.on_namespace(Desk("/desk"))


def room(socketio, complex_calculation):
    @socketio.on("connect")
    def connected():
        join_room("lobby")

    @socketio.on("message")
    def said(data):
        emit("response", complex_calculation(data), to="lobby")


def require_answered(run, events=4):
    assert (run.outcomes["answered"], run.unaccounted) == (events, 0), run
    assert (run.events["outcome"] == 0).all()
    assert np.isfinite(run.own_ms).all()


def test_a_handler_that_returns_its_answer_is_recognised(client):
    run = fire(by_ack, client)
    require_answered(run)
    assert run.conditions.exchange["answer"] == "ack"
    for stage in ("handler_start", "work_start", "work_end", "emitted"):
        assert not np.isnan(run.between_ms(stage, "delivered")).any(), stage


def test_what_a_handler_of_another_kind_returns_is_not_taken_for_its_answer(client):
    def both(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            emit("response", complex_calculation(data))
            return "ok"

    run = fire(both, client, acknowledge=True)
    require_answered(run)
    assert run.conditions.exchange["answer"] == "event"
    assert np.isfinite(run.acked_ms).all()


def test_a_result_alone_is_the_answer_where_that_is_said(client):
    run = fire(bare, client, answer="ack")
    require_answered(run)
    assert np.isnan(run.service_ms).all()  # it carries no stamps


def test_a_value_that_may_be_the_answer_is_told(client):
    run = fire(bare, client, 1, timeout_s=0.3, warm_up=1)
    assert run.outcomes["timed out"] == 1
    assert "acknowledged" in {note.kind for note in run.quality}


def test_an_acknowledgement_without_a_value_is_no_hint(client):
    run = fire(lambda socketio, _: socketio.on_event("message", lambda data: None), client, 1, timeout_s=0.3, warm_up=1)
    assert run.outcomes["timed out"] == 1
    assert "acknowledged" not in {note.kind for note in run.quality}


def test_an_event_of_another_name_in_another_namespace_is_answered(client):
    run = fire(named, client, event="price", answer_event="priced", namespace="/desk")
    require_answered(run)
    assert np.isfinite(run.bystander_ms).all()  # who stays on the root
    assert not np.isnan(run.between_ms("read", "delivered")).any()


def test_a_class_based_namespace_answers(client):
    require_answered(fire(class_based, client, namespace="/desk"))


def test_a_namespace_that_is_not_there_is_a_sentence(client):
    with pytest.raises(LabError, match="/elsewhere"):
        fire(class_based, client, namespace="/elsewhere")


def test_bytes_go_there_and_come_back(client):
    work = lab.call(lambda data: {"n": len(data["raw"]), "raw": data["raw"][::-1]}, payloads=[{"raw": b"42[\x00\xff"}])
    for register in ("inline", by_ack):
        run = fire(register, client, work=work)
        require_answered(run)
        assert run.conditions.answers_checked


def test_bytes_that_come_back_wrong_are_noticed(client):
    def mirrored(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            answer = complex_calculation(data)
            emit("response", {**answer, "result": answer["result"][::-1]})

    run = fire(mirrored, client, work=lab.call(lambda data: data, payloads=[b"ab"]))
    assert run.outcomes["wrong"] == 4


def test_what_reaches_a_room_is_meant_where_that_is_said(client):
    run = fire(room, client, fan_out=True, listeners=3)
    require_answered(run)
    assert (run.strays, len(run.fan_out.members), int(run.fan_out.missed.sum())) == (0, 9, 0)
    assert (run.fan_out.first_ms <= run.fan_out.median_ms).all()
    assert (run.fan_out.median_ms <= run.fan_out.last_ms).all()
    assert run.conditions.duration_s < run.timeout_s / 2  # nothing is waited for that is there


def test_a_room_is_waited_for_where_its_sender_has_the_answer_already(client):
    def others_later(socketio, complex_calculation):
        @socketio.on("message")
        def said(data):
            answer, sid = complex_calculation(data), request.sid
            emit("response", answer)
            socketio.sleep(0.4)
            socketio.emit("response", answer, skip_sid=sid)

    run = fire(others_later, client, 2, fan_out=True)
    assert (run.outcomes["answered"], run.fan_out.missed.tolist()) == (2, [0, 0])
    assert run.fan_out.last_ms.min() > 350


def test_what_reaches_a_room_is_a_stray_where_nobody_said_so(client):
    run = fire(room, client)
    assert (run.strays, run.fan_out) == (20, None)
    assert any("all 6 connections" in note.why for note in run.quality)


def test_who_is_not_told_has_missed_it(client):
    run = fire("inline", client, 2, fan_out=True, timeout_s=0.3)
    assert run.outcomes["answered"] == 2
    assert run.fan_out.missed.tolist() == [3, 3]


def test_several_processes_say_the_same(two):
    run = fire(room, two, 5, fan_out=True, listeners=2)
    require_answered(run, 5)
    assert (len(run.fan_out.members), int(run.fan_out.missed.sum()), run.strays) == (9, 0, 0)
    run = fire(by_ack, two, 5, warm_up=1)  # only one of the processes has a warm-up's event
    require_answered(run, 5)
    assert run.conditions.exchange["answer"] == "ack"


def test_an_async_server_acknowledges_with_the_answer(client):
    run = fire(asgi_by_ack, client, mode="asgi")
    require_answered(run)
    assert not np.isnan(run.between_ms("emitted", "delivered")).any()


def asgi_by_ack(socketio, complex_calculation):
    @socketio.on("message")
    async def handle(sid, data):
        return complex_calculation(data)


asgi_by_ack.MODES = {"asgi"}


def test_settings_that_make_no_sense_are_refused_before_anything_starts(client):
    for settings in ({"answer": "ack", "fan_out": True}, {"transport": "polling", "reads_from_s": 1}):
        with nothing_left_behind(), pytest.raises(UsageError):
            lab.compare("inline", WORK, lab.burst(1), client=client, **settings)
