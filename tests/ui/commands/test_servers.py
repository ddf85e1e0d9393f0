"""The command `labkit servers`: what it asks for, prints, keeps, and how it ends."""

import json

import pytest

from labkit.base.errors import MissingExtra
from labkit.experiments import server_faults, several_servers
from labkit.runs.remedies import Fault, Seen
from labkit.ui.commands.servers import FAULTS
from tests.experiments.test_several_servers import killed, result
from tests.ui.commands.running import assert_is_refused, labkit, written


@pytest.fixture
def measured(monkeypatch):
    asked = []

    def measure(app, **settings):
        asked.append((app, settings))
        return result(killed=killed())

    monkeypatch.setattr(several_servers, "several_servers", measure)
    return asked


def fault(lost):
    seen = (Seen("fault", "as it comes", 5, 10), Seen("remedy", "mended", lost, 10))
    return Fault("a fault", "somebody.", "Do something.", "a source", seen)


def test_what_is_asked_for_is_measured(measured):
    found = labkit(
        "servers", "--app", "shop:app", "--event", "price", "--response", "priced", "--count", 3, "--polling"
    )
    assert found.exit_code == 0, found.output
    ((app, settings),) = measured
    assert (app, settings["count"], settings["manners"].answer) == ("shop:app", 3, "priced")
    assert settings["manners"].transport == "polling"
    assert found.stdout.startswith("A broadcast takes 1.0 ms to the sender's server")


def test_json_is_all_of_standard_output_and_both_are_kept(measured, tmp_path):
    found = labkit("servers", "--json", "--out", tmp_path / "out")
    assert json.loads(found.stdout)["servers"] == 2
    assert written(tmp_path / "out") == ["servers.json", "servers.png"]


def test_an_interrupt_keeps_the_phases_that_were_measured(monkeypatch, tmp_path):
    def measure(app, *, keep, **settings):
        keep(result())
        raise KeyboardInterrupt

    monkeypatch.setattr(several_servers, "several_servers", measure)
    found = labkit("servers", "--json", "--out", tmp_path / "out")
    assert found.exit_code == 130
    assert "Interrupted after 1 phase" in found.stderr
    assert list(json.loads(found.stdout)["phases"]) == ["steady"]
    assert written(tmp_path / "out") == ["servers.json", "servers.png"]


def test_what_is_missing_is_one_line(monkeypatch):
    def missing(*_, **__):
        raise MissingExtra("several servers need HAProxy: apt-get install haproxy")

    monkeypatch.setattr(several_servers, "several_servers", missing)
    assert_is_refused(labkit("servers"), code=1)


def test_faults_are_those_that_there_are():
    assert set(FAULTS) == set(server_faults.FAULTS)


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (5, 1)])
def test_a_fault_whose_remedy_does_not_help_is_exit_code_1(monkeypatch, lost, code):
    monkeypatch.setitem(server_faults.FAULTS, "large-event", lambda: fault(lost))
    found = labkit("servers", "--fault", "large-event", "--json")
    assert found.exit_code == code
    assert [each["name"] for each in json.loads(found.stdout)] == ["a fault"]


def test_an_interrupt_keeps_the_faults_that_were_shown(monkeypatch, tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(server_faults.FAULTS, "no-sticky-sessions", lambda: fault(0))
    monkeypatch.setitem(server_faults.FAULTS, "slow-subscriber", interrupted)
    found = labkit("servers", "--fault", "all", "--out", tmp_path / "out")
    assert found.exit_code == 130
    assert "Interrupted after 1 of 5 faults" in found.stdout
    assert len(json.loads((tmp_path / "out" / "faults.json").read_text())) == 1
