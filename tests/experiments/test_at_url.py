"""Fire at apps that know nothing of the lab: the books close, latencies are true, and mistakes are sentences."""

import contextlib
import http.server
import signal
import socket
import threading
import time

import numpy as np
import pytest

import labkit as lab
from labkit.base.clock import NS_PER_MS
from labkit.base.errors import ClientError, ConnectFailed, Refused
from labkit.client import probe
from labkit.client.fleet import ClientFleet
from labkit.runs.run import Run
from tests.support.helpers import nothing_left_behind, wait_until
from tests.support.strange_app import SLEEP_S, p99_ms, running, stalled, true_ms

pytestmark = pytest.mark.measured

COUNTED = {"id": "{counter}"}


@pytest.fixture(scope="module")
def flask():
    with running("flask") as url:
        yield url


@pytest.fixture(scope="module")
def asgi():
    with running("asgi") as url:
        yield url


def fire(url, client, events=6, plan=None, **settings):
    with nothing_left_behind():
        return lab.fire(url, plan or lab.burst(events), client=client, **{"window_s": 0.1, **settings})


def kinds(run):
    return {note.kind for note in run.quality}


def test_an_app_that_sleeps_a_known_time_is_told_to_take_that_time(flask, client):
    run = fire(flask, client, plan=lab.constant(20, events=20), event="price", payload=COUNTED)
    assert run.outcomes["answered"] == 20
    assert run.unaccounted == 0
    assert run.own_ms.min() >= 1000 * SLEEP_S
    assert np.median(run.own_ms) < 1.5 * 1000 * SLEEP_S
    assert (run.strategy, run.work, run.mode) == (flask.removeprefix("http://"), "price", "not known")


def test_what_only_the_server_knows_is_not_known_and_never_0(flask, client, tmp_path):
    run = fire(flask, client, event="price")
    assert np.isnan(run.handler_blocking_ms).all()
    assert np.isnan(run.connection_blocked_ms).all()
    assert np.isnan(run.service_ms).all()
    assert (run.events["service"] < 0).all()
    assert run.conditions.server_cpu_s is not None  # of the process that listens there, which the system tells
    assert run.threads_peak is not None
    loaded = Run.load(run.save(tmp_path / "run"))
    assert loaded.conditions == run.conditions
    assert loaded.arrivals["greeted"].tolist() == run.arrivals["greeted"].tolist()


def test_a_handler_that_returns_nothing_is_acknowledged_and_that_is_an_answer(flask, client):
    run = fire(flask, client, event="silent", payload=(1, "two", None))
    assert run.outcomes["answered"] == 6
    assert "silence" not in kinds(run)


@pytest.mark.parametrize("match", ["id=order.id", "order", None])
def test_answers_by_an_event_are_matched_by_a_field_or_by_their_order(flask, client, match):
    run = fire(flask, client, event="order", payload=COUNTED, response="ordered", match=match)
    assert run.outcomes["answered"] == 6
    assert (run.strays, run.delivered("duplicate"), run.delivered("unmatched")) == (0, 0, 0)
    assert np.isfinite(run.own_ms).all()


def test_answers_that_are_matched_by_nothing_are_counted_and_have_no_latency(flask, client):
    run = fire(flask, client, event="order", payload=COUNTED, response="ordered", match="nothing")
    assert (run.outcomes["sent"], run.delivered("unmatched"), run.unaccounted) == (6, 6, 0)
    assert np.isnan(run.own_ms).all()
    (note,) = (note for note in run.quality if note.kind == "match")
    assert note.why == "6 answers 'ordered' came, and nobody can tell to which event"


def test_where_nothing_answers_nothing_is_waited_for_and_nothing_is_known(flask, client):
    began = time.monotonic()
    run = fire(flask, client, event="silent", response="none", timeout_s=60)
    assert time.monotonic() - began < 30
    assert (run.outcomes["sent"], run.lost, run.conditions.warm_up_asked) == (6, 0, 0)
    assert "match" in kinds(run)


def test_everybody_in_a_room_has_each_answer_or_it_is_counted_who_has_not(flask, client):
    room = [{"emit": "join", "data": {"room": "lobby"}, "wait": "joined"}]
    said = {"event": "say", "payload": {"room": "lobby", **COUNTED}, "response": "said", "match": "id", "fan_out": True}
    heard = fire(flask, client, **said, listeners=3, scenario=room).fan_out
    assert len(heard.members) == 6 + 3 + 2  # and the bystander, and the one that only watches its inbox
    assert (heard.missed.sum(), np.isfinite(heard.last_ms).all()) == (0, True)
    assert (heard.first_ms <= heard.median_ms).all()
    assert (heard.median_ms <= heard.last_ms).all()
    alone = lab.burst(4, connections=1)
    by_order = fire(flask, client, plan=alone, **{**said, "match": "order"}, listeners=3, scenario=room).fan_out
    assert (len(by_order.members), by_order.missed.sum()) == (1 + 3 + 2, 0)
    nobody = fire(flask, client, **said, timeout_s=0.3)  # who has not joined
    assert nobody.fan_out.missed.sum() == 6 * 8
    assert "silence" in kinds(nobody)


def test_bytes_go_out_and_come_back(flask, client):
    run = fire(flask, client, event="length", payload={**COUNTED, "file": b"\0\1" * 50}, response="lengths", match="id")
    assert run.outcomes["answered"] == 6


def test_clients_that_poll(flask, client):
    run = fire(flask, client, event="price", transport="polling", bystander="none")
    assert run.outcomes["answered"] == 6
    assert (len(run.bystander_ms), run.conditions.bystander) == (0, "none")
    assert np.isfinite(run.connect_ms).all()


@pytest.mark.parametrize("app", ["flask", "asgi"])
def test_clients_that_begin_with_polling_and_upgrade(app, client, request):
    run = fire(
        request.getfixturevalue(app), client, event="order", payload=COUNTED, response="ordered", transport="upgrade"
    )
    assert run.outcomes["answered"] == 6
    came = run.arrivals
    assert (came["began"] < came["opened"]).all()
    assert (came["opened"] < came["upgraded"]).all()
    assert (came["upgraded"] < came["greeted"]).all()
    assert np.isfinite(run.upgrade_ms).all()
    assert np.isfinite(run.bystander_ms).all()


def test_the_bystander_sends_an_event_of_the_app_or_ping_frames(flask, asgi, client):
    by_event = fire(flask, client, event="silent", bystander="price", bystander_payload=3, window_s=0.5)
    assert len(by_event.bystander_ms) == 5
    assert by_event.bystander_ms.min() >= 1000 * SLEEP_S
    for url, event in ((flask, "silent"), (asgi, "echo")):
        by_frames = fire(url, client, event=event, payload=1)
        assert np.isfinite(by_frames.bystander_ms).all()
        assert by_frames.conditions.bystander == "heartbeat"


def test_clients_introduce_themselves_each_by_its_number(flask, client):
    told = {
        "auth": {"client": "{client}"},
        "headers": {"X-Key": "key-{client}"},
        "cookies": {"seat": "seat-{client}"},
        "query": {"room": "lobby"},
    }
    for transport in ("websocket", "polling"):
        run = fire(flask, client, event="price", namespace="/door", transport=transport, **told)
        assert run.outcomes["answered"] == 6
    saved = str(run.conditions.to_dict())
    assert "key-" not in saved
    assert "seat-" not in saved
    with pytest.raises(Refused, match=r"it says \"?'?wrong key"):
        fire(flask, client, event="price", namespace="/door", **{**told, "headers": {"X-Key": "other"}})


def test_clients_come_at_once_or_one_by_one_and_it_is_said_when(flask, client):
    at_once = fire(flask, client, event="silent").arrivals
    ramped = fire(flask, client, event="silent", ramp_s=0.5).arrivals
    assert at_once["began"].max() < 400 * NS_PER_MS
    assert ramped["began"].max() >= 400 * NS_PER_MS
    for came in (at_once, ramped):
        assert (came["began"] <= came["opened"]).all()
        assert (came["opened"] <= came["greeted"]).all()
        assert (came["set_up"] < 0).all()  # nobody did anything first


def test_a_step_that_gets_no_answer_is_a_sentence(flask, client):
    with pytest.raises(ClientError, match=r"waited 0.3 s in vain at step 2 of the scenario \(wait for 'never'\)"):
        fire(
            flask, client, event="price", scenario=[{"emit": "silent", "wait": "ack"}, {"wait": "never"}], connect_s=0.3
        )


def test_two_processes_share_a_plan(flask):
    with ClientFleet(2) as fleet:
        run = fire(flask, fleet, event="price", payload={"n": "{counter}"}, auth={"client": "{client}"})
    assert run.outcomes["answered"] == 6
    assert len(run.connect_ms) == 7


def test_a_stall_of_a_second_is_told_within_two_percent_of_the_truth(asgi, client, tmp_path):
    """100/s for 2.5 s, and the loop stands still for 1 s: the events due meanwhile take 1000, 990, 980 ms ..."""
    run = fire(asgi, client, plan=lab.constant(100, events=250), event="echo", payloads=stalled(), window_s=2)
    assert run.outcomes["answered"] == 250
    truth_ms = true_ms(run, asgi, client, tmp_path / "handled.json")
    assert p99_ms(truth_ms) > 900
    assert p99_ms(run.own_ms) == pytest.approx(p99_ms(truth_ms), rel=0.02)
    assert run.bystander_ms.max() > 900  # ping frames are answered by the loop that stood still


def test_a_response_that_never_comes_is_lost_and_the_sentence_says_what_to_check(flask, client):
    told = {
        "no event was acknowledged: 'prize' may have no handler in /": {"event": "prize"},
        "no 'orderd' came: 'order' may have no handler": {"event": "order", "payload": COUNTED, "response": "orderd"},
        "none could be matched with its event by 'id=nr'": {
            "event": "order",
            "payload": COUNTED,
            "response": "ordered",
            "match": "id=nr",
        },
    }
    for sentence, settings in told.items():
        run = fire(flask, client, 2, timeout_s=0.3, warm_up=0, **settings)
        assert (run.lost, run.unaccounted) == (2, 0)
        (note,) = (note for note in run.quality if note.kind == "silence")
        assert sentence in note.why


def test_a_server_that_ends_in_the_middle_leaves_what_was_measured(client):
    with running("flask") as url:
        began = time.monotonic()
        run = fire(url, client, plan=lab.constant(20, seconds=20), event="die", payload="{counter}", warm_up=0)
    assert time.monotonic() - began < 15, "nobody is left who could answer: the rest of the plan is not waited for"
    assert run.unaccounted == 0
    assert 10 <= run.outcomes["answered"] <= 20
    assert run.outcomes["answered"] + run.outcomes["disconnected"] == len(run)
    assert "closed" in kinds(run)


def test_an_interrupt_keeps_what_was_sent(flask, client, tmp_path):
    began = tmp_path / "began"

    def interrupt():
        wait_until(began.exists, 20)
        time.sleep(0.5)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        lab.fire(flask, lab.constant(20, seconds=30), event="touch", payload=str(began), client=client, warm_up=0)
    run = caught.value.run
    assert run.conditions.is_cut_short
    assert 0 < len(run) < 600
    assert (run.outcomes["answered"], run.unaccounted) == (len(run), 0)
    assert len(run.pings["sent"]) < 30 * 50
    assert "cut short" in kinds(run)
    assert fire(flask, client, event="price").outcomes["answered"] == 6  # the client goes on


class _Page(http.server.BaseHTTPRequestHandler):
    """A web server that is no Socket.IO server; answers by `said`."""

    said = (404, b"<html>nothing here</html>")

    def do_GET(self):
        status, body = self.said
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def page(status, body):
    handler = type("Page", (_Page,), {"said": (status, body)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            404,
            b"<html>",
            r"no Socket\.IO server answers at http://127\.0\.0\.1:\d+/socket\.io/ \(HTTP 404: Not Found\)",
        ),
        (
            400,
            b'"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"',
            "another version",
        ),
        (200, b'96:0{"sid":"x","upgrades":["websocket"]}2:40', "another version of Engine.IO than 4"),
        (403, b'{"message": "who are you"}', "lets nobody in .HTTP 403: who are you.: give it the headers"),
        (200, b'0{"sid":"x","upgrades":[]}', "answers polling and lets no websocket in"),
    ],
)
def test_who_listens_there_instead_is_a_sentence(client, status, body, told):
    with page(status, body) as url, pytest.raises(ConnectFailed, match=told):
        fire(url, client)


def test_nobody_there_and_somebody_who_speaks_something_else_are_sentences(client, flask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for transport in ("websocket", "polling"):
        with pytest.raises(ConnectFailed, match=f"nothing listens at {url}: start the server"):
            fire(url, client, transport=transport)
    with pytest.raises(ConnectFailed, match="does not speak TLS"):
        fire(flask.replace("http", "https"), client)
    with pytest.raises(Refused, match="register the handler there, or name another namespace"):
        fire(flask, client, namespace="/nowhere")
    with pytest.raises(ConnectFailed, match="check the address, and the path"):
        fire(flask, client, path="/ws")


def test_where_nobody_answers_the_first_packet(client, monkeypatch):
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectFailed, match=r"takes connections and says nothing for 0.3 s"):
            fire(url, client, connect_s=0.5)
