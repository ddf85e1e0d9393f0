"""Two versions in turn: which starts when, what is refused before anything starts, and what a failure leaves."""

import pytest

import labkit as lab
from labkit.base.errors import NotStarted, UsageError
from labkit.experiments import gate as gates
from labkit.experiments.at_url import aimed
from labkit.experiments.gate import Gate
from labkit.runs.gate import AGAIN, BASE, HEAD
from labkit.server.version import Launch
from tests.support import simulated


@pytest.fixture
def started(monkeypatch):
    """What would be started, in order; nothing is."""
    found = []

    class Started:
        url = "http://127.0.0.1:1"
        ends = ""

        def __init__(self, name, folder, launch):
            self.name, self.folder = name, folder

        def __enter__(self):
            found.append((self.name, self.folder.name))
            return self

        def __exit__(self, *exc):
            found.append((self.name, "stopped"))

        def has_ended(self):
            return self.name == self.ends

        def last_lines(self):
            return "; its last words:\n    no database"

    monkeypatch.setattr(gates, "Version", Started)
    monkeypatch.setattr(gates.Aim, "fire", lambda self, tick=None: (simulated.run("127.0.0.1:1"), None))
    return found, Started


def asked(tmp_path, repeats=4):
    def aim(url):
        return aimed(url, lab.burst(2), {}, {})

    return Gate(tmp_path / "old", tmp_path / "new", Launch("shop:app"), aim, "shop:app", repeats)


def test_each_round_has_each_side_once_and_orders_differ(started, tmp_path):
    found, _ = started
    sides = [(side, run.strategy) for side, run in asked(tmp_path).runs()]
    rounds = [tuple(side for side, _ in sides[at : at + 3]) for at in range(0, 12, 3)]
    assert all(sorted(each) == sorted((BASE, AGAIN, HEAD)) for each in rounds)
    assert len(set(rounds)) > 1
    assert {strategy for _, strategy in sides} == {"shop:app"}
    folders = [folder for _, folder in found[::2]]
    assert folders == [{BASE: "old", AGAIN: "old", HEAD: "new"}[side] for side, _ in sides]
    assert [folder for _, folder in found[1::2]] == ["stopped"] * 12  # one at a time


def test_a_version_that_ends_meanwhile_is_told_and_the_others_are_kept(started, tmp_path):
    found, kind = started
    kind.ends = "head"
    kept = []
    with pytest.raises(NotStarted, match=r"head ended while it was fired at; its last words:\n +no database") as raised:
        kept.extend(side for side, _ in asked(tmp_path).runs())
    assert raised.value.version == HEAD
    assert HEAD not in kept
    assert found[-1] == ("head", "stopped")


def test_what_makes_no_sense_is_refused_before_anything_is_started(started, tmp_path):
    with pytest.raises(UsageError, match="1 to 1,000 rounds"):
        asked(tmp_path, repeats=0)
    for wrong in ({"app": "shop"}, {"app": "shop:app", "command": ["x"]}, {"app": "shop:app", "evnt": "price"}):
        with pytest.raises(UsageError):
            lab.gate(tmp_path, tmp_path, lab.burst(2), **wrong)
    assert started[0] == []


@pytest.mark.measured
def test_from_a_notebook(started, tmp_path):
    judged = lab.gate(tmp_path, tmp_path, lab.burst(10), app="shop:app", repeats=5, event="price", payload={"item": 7})
    assert repr(judged).splitlines()[-1].startswith("shop:app, ")
    assert "no difference was seen" in judged._repr_html_()
