"""The command `labkit delivery`: what it asks for, prints, and how it ends. Nothing is killed here."""

import json

import pytest

from labkit.experiments import delivery as experiment
from tests.support.delivered import delivered
from tests.support.redis_needed import require_redis
from tests.ui.commands.running import assert_is_refused, labkit


@pytest.fixture
def asked(monkeypatch):
    """What the experiment is asked for; it answers with books made by hand, and is interrupted after so many."""
    require_redis()
    handed = []

    def kill(chosen, work, plan, *, fault, progress, **settings):
        if len(handed) == kill.most:
            raise KeyboardInterrupt
        progress(1, 0)
        handed.append((chosen.name, fault, work.name, len(plan), settings, dict(chosen.parameters)))
        return delivered(chosen.name, fault, outbox=chosen.keeps_results)

    kill.most = 100
    monkeypatch.setattr(experiment, "delivery", kill)
    return handed, kill


def test_every_fault_with_every_strategy_and_the_figure(asked, tmp_path):
    found = labkit("delivery", "--events", 20, "--out", tmp_path / "lost.png")
    assert found.exit_code == 0, found.output
    assert [(name, fault) for name, fault, *_ in asked[0]] == [
        (name, fault)
        for fault in ("pool-child", "workers", "server", "redis", "redis-aof")
        for name in ("celery", "celery-zero-loss")
    ]
    assert asked[0][0][2:] == ("cpu:11ms", 20, {"patience_s": 10}, {"workers": 2})
    assert found.stdout.count("lost;") == 10
    assert (tmp_path / "lost.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_all_of_standard_output_and_an_interrupt_keeps_what_was_measured(asked):
    asked[1].most = 1
    found = labkit("delivery", "--fault", "workers", "--repeats", 2, "--json")
    assert found.exit_code == 130
    (about,) = json.loads(found.stdout)
    assert (about["fault"], about["answered"], about["late"], about["lost"]) == ("workers", 6, 3, 1)
    assert "Interrupted after 1 of 4 runs." in found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "meteor"], "there is no fault 'meteor': choose from none, pool-child"),
        (["--strategies", "inline"], "inline has no queue"),
        (["--strategies", ","], "--strategies names none"),
        (["--strategies", "celry"], "unknown strategy 'celry'"),
        (
            ["--work", "cpu:70000ms", "--strategies", "celery-zero-loss"],
            "visibility_timeout_s=60 is shorter than a task",
        ),
        (["--patience", 0], "patience_s must be above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(asked, arguments, said):
    found = labkit("delivery", *arguments)
    assert_is_refused(found)
    assert said in found.stderr
    assert not asked[0]
