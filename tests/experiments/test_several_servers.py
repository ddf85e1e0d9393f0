"""Several servers: what is refused, what is said, and one short measurement of all of it."""

import json

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.client.audience import Manners
from labkit.experiments import several_servers as module
from labkit.experiments.several_servers import SeveralServers, finding, several_servers
from labkit.runs.deliveries import NEVER, STILL
from tests.runs.test_deliveries import HERE, books
from tests.support.helpers import nothing_left_behind
from tests.support.scaled import needs_servers

AWAY = [(0, 0, STILL, 0), (1, 0, 15, 1), (1, 115, STILL, 0)]


def result(**phases):
    steady = books([(0, 0, 10), (1, 1, 20)], [(0, 0, 12), (0, 1, 15), (1, 0, 27), (1, 1, 21)], HERE)
    machine = {"cores": 2}
    return SeveralServers("", 2, 2, 20.0, Manners(), 100, {"steady": steady, **phases}, machine)


def killed():
    return books([(0, 0, 10), (0, 0, 20), (0, 0, 120)], [(0, 0, 11), (1, 0, 21), (2, 0, 121), (2, 1, 122)], AWAY)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"receivers": 0}, "receivers must be 1 or more"),
        ({"rate_hz": 0}, "rate_hz must be above 0"),
        ({"seconds": -1}, "seconds above 0"),
        ({"count": 0}, "count must be 1 to 16"),
        ({"app": "shop"}, "module:app"),
        (
            {"receivers": 95},
            "95 receivers and 2 senders need a thread each, and the servers have 100 while one is away",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(given, said):
    with pytest.raises(UsageError, match=said):
        several_servers(**given)


def test_the_finding_is_what_crossing_costs_and_what_an_end_does():
    found = result(killed=killed())
    assert found.crossing_ms == pytest.approx(4)
    assert finding(found).splitlines() == [
        "A broadcast takes 1.0 ms to the sender's server, 5.0 ms to another (median).",
        "A server is killed: 1 of 2 clients are away for 100 ms (median), 2 of 6 deliveries never come.",
    ]


def test_an_app_without_a_message_queue_is_told():
    found = result()
    alone = books([(0, 0, 10), (1, 1, 20)], [(0, 0, 12), (1, 1, 21)], HERE)
    found.phases["steady"] = alone
    assert finding(found).startswith("No broadcast reaches another server")
    assert np.isnan(found.crossing_ms)
    assert found.to_dict()["crossing_ms"] is None


def test_the_table_has_a_row_a_phase_and_says_for_whom_it_holds():
    told = result(killed=killed()).table.text()
    assert "nothing happens" in told
    assert "one server killed" in told
    assert "receivers afterwards: a 2, b 0" in told
    assert "share 2 cores of one machine" in told


def test_it_is_json(tmp_path):
    path = result(killed=killed()).save(tmp_path / "servers.json")
    found = json.loads(path.read_text())
    assert found["phases"]["killed"]["missed_while_away"] + found["phases"]["killed"]["lost"] == 2
    assert found["phases"]["steady"]["lost_other"] == 0


@pytest.mark.measured
@needs_servers
def test_what_clients_feel_of_an_end(monkeypatch):
    for name, value in {"PAIRS": 6, "KILL_AT_S": 0.3, "AWAY_S": 0.2, "AFTER_S": 1.5, "ROLL_S": 2.0}.items():
        monkeypatch.setattr(module, name, value)
    with nothing_left_behind():
        found = several_servers(count=2, receivers=4, seconds=0.5, manners=Manners(reconnect_s=0.1))
    steady = found.steady
    assert (steady.lost, steady.missed, steady.duplicates) == (0, 0, 0)
    assert steady.own.sum() == steady.other.sum() == 20  # ten messages, two receivers on each server
    own, other = found.order("one_handler")
    assert own.pairs == other.pairs == 12
    assert (own.overtaken, other.overtaken) == (0, 0)
    killed, rolled = found.phases["killed"], found.phases["rolled"]
    assert {each.receiver for each in killed.absences} == {0, 2}  # those of the server that was killed
    had = int((killed.first_at != NEVER).sum())
    assert had + killed.lost + killed.missed == 4 * (len(killed) - killed.unsent)
    assert killed.away_ms.p50_ms > 0
    assert {each.receiver for each in rolled.absences} == {0, 1, 2, 3}
    assert np.isfinite(rolled.away_ms.max_ms)  # all came back
