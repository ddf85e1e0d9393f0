"""What is told of a run that was fired at an app of the reader's."""

import dataclasses
import json
import math

import numpy as np
import pytest
from rich.console import Console

from labkit.plan.exchange import Exchange
from labkit.runs.conditions import Conditions
from labkit.runs.stages import NEVER
from labkit.ui import fired
from tests.support import simulated

ACK = Exchange("price", answer="ack", match="number")


def run(exchange=ACK, arrivals=True, **more):
    found = simulated.run("127.0.0.1:5000", instrumented=False, work="price", mode="not known", **more)
    conditions = Conditions(exchange=exchange.to_dict(), url="http://127.0.0.1:5000", bystander="heartbeat")
    came = {
        "began": [0, 0],
        "opened": [5, 6],
        "upgraded": [NEVER, NEVER],
        "greeted": [10_000_000, 30_000_000],
        "set_up": [NEVER, NEVER],
    }
    events = {**found.events, "service": np.full(len(found), NEVER)}
    columns = {name: np.array(column) for name, column in came.items()} if arrivals else {}
    return dataclasses.replace(found, conditions=conditions, events=events, arrivals=columns)


def text(shown, width=200):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(shown)
    return console.export_text()


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        (ACK, "each 'price', answered by its acknowledgement"),
        (dataclasses.replace(ACK, namespace="/desk"), "each 'price' in /desk, answered by its acknowledgement"),
        (Exchange("price", answer="nothing", match="nothing"), "each 'price', answered by nothing"),
        (Exchange("price", "priced", answer="event", match="order"), "matched by the order of a client's answers"),
        (Exchange("price", "priced", answer="event", match="nothing"), "matched by nothing, so without a latency"),
        (Exchange("price", "priced", answer="event", match="id"), "answered by 'priced', matched by the field id"),
    ],
)
def test_what_is_sent_and_what_answers_is_a_sentence(exchange, told):
    assert told in fired.asked(exchange.to_dict())


def test_the_books_say_what_became_of_every_event():
    shown = text(fired.final(run(own_ms=[5, 7, math.inf]), 200))
    assert " server " in f" {shown.splitlines()[1]} "
    assert "Books: 3 events: 2 answered, 1 timed out; 0 unaccounted." in shown
    assert "Connections: 2 came all at once; let in after 10 ms (median), the slowest after 30 ms." in shown
    assert "ping frames of a websocket" in shown
    assert "Not known from outside" in shown


def test_where_nobody_knows_a_latency_none_is_shown():
    shown = text(fired.final(run(outcomes=["sent"] * 3, arrivals=False), 200))
    assert "Own latency" not in shown
    assert "Connections:" not in shown
    assert "not measured/good" in shown
    assert "nan" not in shown


def test_a_percentile_is_told_where_the_sample_supports_it():
    told = fired.latencies(fired.Comparison((run(own_ms=list(range(1, 301))),)).summaries[0])
    assert told == "Own latency from the intended start: p50 150 ms, p98 294 ms, p99 297 ms, max 300 ms."


def test_as_json_what_is_unknown_is_null(tmp_path):
    told = json.loads(fired.as_json(run(own_ms=[5, math.inf]), early="", folder=tmp_path, figure=tmp_path / "a.png"))
    assert (told["service_ms"], told["mode"], told["url"]) == (None, "not known", "http://127.0.0.1:5000")
    assert told["latency"] == {"p50_ms": None, "p90_ms": None, "p98_ms": None, "p99_ms": None, "p99.9_ms": None}
    assert told["connections"]["max_ms"] == 30
    assert told["strategies"][0]["handler_blocking"]["samples"] == 0
