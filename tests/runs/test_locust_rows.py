"""Rows of Locust's workers become a run: every event once, on one clock, and what nobody knows is not there."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import ConnectFailed, LabError, RecordError
from labkit.plan.exchange import BY_ACK, BY_NUMBER, Exchange
from labkit.runs import locust_rows
from labkit.runs.run import Run

ACK = Exchange(event="price", answer=BY_ACK, match=BY_NUMBER)

PLAN = {"url": "http://127.0.0.1:5000", "rate_hz": 50, "seconds": 2, "timeout_s": 1, "seed": 3}


def row(client, intended_ms, sent_ms=None, answered_ms=None, problem=None):
    stamps = {
        "intended_ns": intended_ms,
        "sent_ns": intended_ms if sent_ms is None else sent_ms,
        "answered_ns": answered_ms,
    }
    told = {name: None if ms is None else ms * NS_PER_MS for name, ms in stamps.items()}
    return {"client": client, **told, **({} if problem is None else {"problem": problem})}


def left(folder, number, rows, wall_ms=0, refusals=(), cut_ms=None):
    """A worker's file."""
    began = {"wall_ns": wall_ms * NS_PER_MS, "clock_ns": 0, "plan": PLAN, "refusals": list(refusals)}
    began["cut_ns"] = None if cut_ms is None else cut_ms * NS_PER_MS
    text = "\n".join(map(json.dumps, [began, *rows]))
    (folder / f"rows-here-{number}.jsonl").write_text(text)


def test_each_row_is_an_event_with_its_outcome_and_its_latency(tmp_path):
    rows = [
        row(0, 10, 11, 15),
        row(1, 20, 20, None, "NoAnswer: none within 1 s"),
        row(2, 30, 30, None, "Refused: the connection was closed"),
        row(0, 40, 40, 1100),
    ]
    left(tmp_path, 1, rows)
    run = locust_rows.read(tmp_path, ACK)
    assert run.outcomes == {**run.outcomes, "answered": 1, "timed out": 2, "disconnected": 1}
    assert run.unaccounted == 0
    assert run.own_ms.tolist() == [5, np.inf, np.inf, np.inf]
    assert (run.events["sent"] - run.events["intended"]).tolist() == [NS_PER_MS, 0, 0, 0]
    assert run.delivered("late") == 1
    assert (run.plan.connections, run.plan.seed, run.timeout_s) == (3, 3, 1)
    assert run.conditions.closings == ("Refused: the connection was closed",)
    assert (run.strategy, run.work, run.conditions.url) == ("127.0.0.1:5000", "price", "http://127.0.0.1:5000")


def test_what_rows_do_not_know_is_not_known(tmp_path):
    left(tmp_path, 1, [row(0, 0, 0, 4)])
    run = locust_rows.read(tmp_path, ACK)
    assert np.isnan(run.handler_blocking_ms).all()
    assert np.isnan(run.service_ms).all()
    assert len(run.bystander_ms) == 0
    assert (run.conditions.client_cpu_s, run.conditions.server_cpu_s, run.threads_peak) == (None, None, None)
    assert Run.load(run.save(tmp_path / "run")).conditions == run.conditions


def test_workers_with_different_clocks_are_put_in_order_by_the_wall_clock_and_keep_their_latencies(tmp_path):
    left(tmp_path, 1, [row(0, 100, 100, 103), row(1, 120, 120, 129)], wall_ms=1000)
    left(tmp_path, 2, [row(0, 7010, 7010, 7016)], wall_ms=-5900)
    run = locust_rows.read(tmp_path, ACK)
    assert run.events["intended"].tolist() == [0, 10 * NS_PER_MS, 20 * NS_PER_MS]
    assert run.own_ms.tolist() == [3, 6, 9]
    assert run.plan.connections == 3  # two workers may call a client by one number
    assert run.plan.connection.tolist() == [0, 1, 2]


def test_who_was_not_let_in_is_told(tmp_path):
    left(tmp_path, 1, [row(0, 0, 0, 4)], refusals=["Refused: the server said '44'"])
    assert locust_rows.read(tmp_path, ACK).conditions.closings == ("not let in: Refused: the server said '44'",)


def test_nobody_let_in_is_a_sentence_with_the_reason(tmp_path):
    left(tmp_path, 1, [], refusals=["ConnectionRefusedError: [Errno 111]"])
    with pytest.raises(ConnectFailed, match=r"ConnectionRefusedError: \[Errno 111\]"):
        locust_rows.read(tmp_path, ACK)


def test_a_folder_without_rows_says_how_to_get_them(tmp_path):
    with pytest.raises(RecordError, match="set LABKIT_ROWS to a folder"):
        locust_rows.read(tmp_path, ACK)


def test_a_run_that_was_stopped_early_ends_where_an_event_was_still_under_way(tmp_path):
    """Else it would hold the fast ones of its last moments, and not the slow ones."""
    left(tmp_path, 1, [row(0, 0, 0, 4), row(1, 10, 10, 12), row(2, 20, 20, 21)], cut_ms=10)
    left(tmp_path, 2, [row(0, 5, 5, 9)])
    run = locust_rows.read(tmp_path, ACK)
    assert run.events["intended"].tolist() == [0, 5 * NS_PER_MS]
    assert run.conditions.is_cut_short
    left(tmp_path, 1, [row(0, 0, 0, 4)])
    assert not locust_rows.read(tmp_path, ACK).conditions.is_cut_short


damage = st.binary(max_size=200) | st.text(max_size=200).map(str.encode)


@given(damage, st.booleans())
def test_whatever_stands_in_a_file_is_a_run_or_a_sentence(tmp_path_factory, damage, after_the_first):
    folder = tmp_path_factory.mktemp("rows")
    left(folder, 1, [row(0, 0, 0, 4)])
    file = folder / "rows-here-1.jsonl"
    file.write_bytes(file.read_bytes() + b"\n" + damage if after_the_first else damage)
    with contextlib.suppress(LabError):
        assert len(locust_rows.read(folder, ACK)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": None},
        {"intended_ns": "soon"},
        {"intended_ns": 2**70},
        {"answered_ns": -(2**70)},
        {"answered_ns": []},
        {"client": 1e400},
    ],
)
def test_a_row_with_nonsense_in_it_is_a_sentence(tmp_path, wrong):
    left(tmp_path, 1, [{**row(0, 0, 0, 4), **wrong}])
    with pytest.raises(RecordError, match="damaged"):
        locust_rows.read(tmp_path, ACK)
