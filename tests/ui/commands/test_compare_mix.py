"""``labkit compare --mix``: kinds by their words, each refused with a sentence, each told apart in what is shown."""

import json

import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.experiments import diagnose
from labkit.experiments.compare import Ordered
from tests.experiments.test_diagnose import of as simulated_diagnosis
from tests.support import simulated
from tests.ui.commands.running import assert_is_refused, labkit, real, written

CHAT, EXPORT = ("--mix", "chat=0.9:io_wait:1ms"), ("--mix", "export=0.1:io_wait:20ms")


@pytest.fixture
def diagnosed(monkeypatch):
    """Stand-in for measuring: two runs of a mix. What was diagnosed, by name."""
    asked = []

    def runs(order):
        for seed in (0, 1):
            kinds = ["chat"] * 9 + ["export"]
            services = [1] * 9 + [20]
            yield simulated.run(kinds=kinds, service_ms=services, own_ms=services, seed=seed, work=order.work.name)

    monkeypatch.setattr(Ordered, "runs", runs)
    for name in ("overview", "by_kind"):
        monkeypatch.setattr(plots, name, lambda result: plt.figure(figsize=(1, 1)))
    monkeypatch.setattr(
        diagnose, "diagnose", lambda work, **about: asked.append(work.name) or simulated_diagnosis(work=work.name)
    )
    return asked


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*CHAT], "a mix has two kinds or more"),
        ([*CHAT, "--mix", "export=0.2:io_wait:20ms"], "add up to 1, and these add up to 1.1"),
        (
            [*CHAT, "--mix", "export=some:io_wait:20ms"],
            "the share of 'export' is a number above 0 and below 1, not 'some'",
        ),
        ([*CHAT, "--mix", "export=0.1:io_wait"], "write the time in ms, as in io_wait:100ms"),
        ([*CHAT, "--mix", "export:0.1"], "write a kind of a mix as in chat=0.9:cpu:1ms"),
        ([*CHAT, "--mix", "=0.1:io_wait:20ms"], "a word for its name, not ''"),
        ([*CHAT, "--mix", "chat=0.1:io_wait:20ms"], "two kinds of the mix are called 'chat'"),
        (["cpu:1ms", *CHAT, *EXPORT], "--mix takes the place of TARGET"),
        ([*CHAT, *EXPORT, "--data", "1"], "--mix takes the place of TARGET"),
        (["cpu:1ms", "--apart"], "--apart is about the kinds of a mix"),
        ([*CHAT, *EXPORT, "--events", "4", "--connections", "2"], "4 events leave none for 'export'"),
        ([*CHAT, *EXPORT, "--apart", "--connections", "4"], "90% of 4 clients is 3.6"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused_before_anything_is_measured(arguments, sentence, here):
    result = labkit("compare", *arguments, "--out", here / "X")
    assert_is_refused(result)
    assert sentence in result.stderr
    assert written(here / "X") == []


def test_each_kind_is_diagnosed_once_and_told_apart(diagnosed, here):
    done = labkit("compare", *CHAT, *EXPORT, "--connections", 10, "--out", here / "X")
    assert done.exit_code == 0, done.stderr
    assert diagnosed == ["io_wait:1ms", "io_wait:20ms"]
    shown = " ".join(done.stdout.split())
    assert "mix(chat 90% io_wait:1ms, export 10% io_wait:20ms)" in shown
    assert "3 ms on average when nothing else runs" in shown
    assert "latencies are of all kinds together (chat, export)" in shown
    assert "inline export 2 20 20 20 max 100%" in shown
    assert {"by-kind.png", "overview.png", "summary.json"} <= set(written(here / "X"))


def test_json_has_the_kinds_of_each_strategy(diagnosed, here):
    done = labkit("compare", *CHAT, *EXPORT, "--connections", 10, "--json", "--out", here / "X")
    found = json.loads(done.stdout)
    (inline,) = found["strategies"]
    assert [(kind["kind"], kind["events"], kind["own"]["p50_ms"]) for kind in inline["kinds"]] == [
        ("chat", 18, 1.0),
        ("export", 2, 20.0),
    ]
    assert (found["diagnosis"], found["recommendation"]) == (None, None)


@pytest.mark.measured
def test_a_mix_is_measured_from_the_command_line(here):
    # Beside waits of 30 ms and more, a client that is late by a millisecond is no reason to doubt the run.
    kinds = ("--mix", "chat=0.9:io_wait:30ms", "--mix", "export=0.1:io_wait:90ms")
    done = real(
        "compare", *kinds, "--apart", "--connections", 10, "--events", 20, "--strategies", "inline",
        "--repeats", 1, "--json", "--out", here / "X",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (inline,) = json.loads(done.stdout)["strategies"]
    assert [kind["events"] for kind in inline["kinds"]] == [18, 2]
    assert [kind["own"]["samples"] for kind in inline["kinds"]] == [18, 2]
