"""The command `labkit capacity`: what it asks for, prints, and how it ends."""

import json

import pytest

from labkit.experiments import capacity_search
from tests.experiments.test_capacity import server  # noqa: F401 (a fixture)
from tests.ui.commands.running import assert_is_refused, labkit


def asked(*arguments):
    return labkit("capacity", *arguments)


def test_a_bracket_for_each_strategy_and_the_figure(server, tmp_path):  # noqa: F811
    server()
    found = asked("thread-pool", "inline", "--work", "io_wait:20ms", "--out", tmp_path / "curve.png")
    assert found.exit_code == 0, found.output
    first = [line for line in found.stdout.splitlines() if not line.startswith("  ")]
    assert [line.partition(":")[0] for line in first] == ["thread-pool", "inline", "Figure"]
    assert all("between" in line for line in first[:2])
    assert [line.split()[-1] for line in found.stderr.splitlines()[:2]] == ["holds", "breaks"]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_all_of_standard_output(server, tmp_path):  # noqa: F811
    server()
    found = asked("thread-pool", "--work", "io_wait:20ms", "--json", "--out", tmp_path / "curve.png")
    (about,) = json.loads(found.stdout)
    assert about["strategy"] == "thread-pool"
    assert about["low_hz"] < 100 < about["high_hz"]


def test_a_bracket_that_is_not_confirmed_is_exit_code_1(server):  # noqa: F811
    server(workers=10_000)
    found = asked("thread-pool", "--work", "io_wait:20ms")
    assert found.exit_code == 1
    assert "the client cannot send more than" in found.stdout.lower()


def test_an_interrupt_keeps_the_brackets_that_were_found(server, monkeypatch, tmp_path):  # noqa: F811
    server()
    found, whole = [], capacity_search.capacity

    def capacity(chosen, work, **settings):
        if found:
            raise KeyboardInterrupt
        found.append(whole(chosen, work, **settings))
        return found[0]

    monkeypatch.setattr(capacity_search, "capacity", capacity)
    result = asked("thread-pool", "inline", "--work", "io_wait:20ms", "--json", "--out", tmp_path / "curve.png")
    assert result.exit_code == 130
    assert [about["strategy"] for about in json.loads(result.stdout)] == ["thread-pool"]
    assert "Interrupted after 1 of 2 brackets." in result.stderr
    assert (tmp_path / "curve.png").exists()


def test_a_figure_that_cannot_be_written_is_one_line(server, tmp_path):  # noqa: F811
    server()
    result = asked("thread-pool", "--work", "io_wait:20ms", "--out", tmp_path / "no_such_folder" / "curve.png")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("labkit: ")


def test_what_is_asked_for_is_handed_on(monkeypatch):
    handed = {}

    def capacity(chosen, work, **settings):
        settings.pop("progress")
        handed.update(settings, strategy=chosen.name, work=work.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(capacity_search, "capacity", capacity)
    options = ("--bound", 100, "--seconds", 9, "--poisson", "--connections", 3, "--seed", 5)
    assert asked("thread", "--work", "io_wait:1ms", *options).exit_code == 130
    assert handed == {
        "bound_ms": 100, "limit_s": 9, "random": True, "connections": 3, "seed": 5, "mode": "threading",
        "strategy": "thread", "work": "io_wait:1ms",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("magic",),
        ("thread", "--work", "nonsense"),
        ("thread", "--work", "io_wait:20ms", "--bound", "20"),
        ("thread", "--work", "io_wait:20ms", "--seconds", "0"),
        ("thread", "--work", "io_wait:20ms", "--mode", "telepathy"),
        ("thread", "--work", "io_wait:20ms", "--app", "shop:create_app"),
    ],
)
def test_wrong_usage_is_one_line(arguments):
    assert_is_refused(asked(*arguments))
