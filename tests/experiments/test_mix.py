"""A mix, really measured: each event is answered as its kind, and who stands behind a dear one waits for its end."""

import numpy as np
import pytest

import labkit as lab
from labkit.claims import HOLDS

pytestmark = pytest.mark.measured

CHAT, EXPORT = lab.io_wait(1), lab.io_wait(120)

#: Two clients, each of which sends every 40 ms: two or three chat lines come during an export of their own client.
PLAN = lab.constant(50, events=60, connections=2)


def double(payload):
    return 2 * payload


def test_every_kind_is_answered_rightly_also_by_another_process(client):
    work = lab.mix({"chat": (0.75, lab.call(double, payloads=[7])), "wait": (0.25, lab.io_wait(5))})
    plan = lab.burst(12, connections=4)
    result = lab.compare(["inline", "process-pool"], work, plan, repeats=1, client=client)
    for run in result.runs:
        assert run.outcomes["answered"] == 12
        assert run.conditions.answers_checked
        assert run.conditions.warm_up_answered == run.conditions.warm_up_asked > 0
        assert run.events["kind"].tolist() == work.kinds_in(plan).tolist()
        assert (run.service_ms[run.is_kind("wait")] >= 5).all()
        assert run.events["service"][run.is_kind("wait")].tolist() == [5_000_000] * 3
    assert [row[:3] for row in result.by_kind().rows] == [
        ("inline", "chat", "9"),
        ("inline", "wait", "3"),
        ("process-pool", "chat", "9"),
        ("process-pool", "wait", "3"),
    ]


def test_a_chat_line_waits_behind_its_own_clients_export_where_events_are_handled_in_turn(client):
    """Work that waits leaves the GIL alone: what remains is the queue."""
    work = lab.mix({"chat": (0.9, CHAT), "export": (0.1, EXPORT)})
    result = lab.compare(["inline", "inline-serial"], work, PLAN, repeats=1, client=client)
    for slug in ("cheap-waits-behind-dear", "default-lets-the-cheap-pass"):
        assert lab.claim(slug, result).status == HOLDS, repr(lab.claim(slug, result))


def test_with_clients_apart_a_chat_line_waits_for_nobodys_export(client):
    work = lab.mix({"chat": (0.5, CHAT), "export": (0.5, EXPORT)}, apart=True)
    plan = lab.constant(25, events=30, connections=2)
    result = lab.compare(["inline-serial"], work, plan, repeats=1, client=client)
    (run,) = result.runs
    sent = [set(run.events["kind"][run.plan.connection == number].tolist()) for number in (0, 1)]
    assert sorted(map(sorted, sent)) == [[0], [1]]
    assert lab.claim("another-client-is-not-in-the-queue", result).status == HOLDS
    assert np.median(run.own_ms[run.is_kind("chat")]) < 60 < np.median(run.own_ms[run.is_kind("export")])
