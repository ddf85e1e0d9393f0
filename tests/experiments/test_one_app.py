"""An app at several servers: what is started when, what is refused before, and what a server that breaks leaves."""

import dataclasses

import pytest

import labkit as lab
from labkit.base.errors import ConnectFailed, ModeError, NotStarted, UsageError
from labkit.base.interpreter import Interpreter
from labkit.experiments import one_app
from labkit.experiments.at_url import aimed
from labkit.experiments.one_app import SPARE_THREADS, Servers
from tests.support import simulated

OLD, NEW = Interpreter("/old/python", "Python 3.12.1"), Interpreter("/new/python", "Python 3.13.0")

TOLD = {"python": "3.13.0", "gil": True}


@pytest.fixture
def started(monkeypatch):
    """What would be started, in order; nothing is. `fails` has servers that do not start, `ends` those that end."""

    class Started:
        found, fails, ends, refuses = [], {}, (), ()
        url = "http://127.0.0.1:1"

        def __init__(self, name, folder, launch):
            self.name, self.launch, self.told = name, launch, TOLD

        def __enter__(self):
            if self.name in self.fails:
                raise NotStarted(f"{self.name}: {self.fails[self.name]}", self.name)
            self.found.append((self.name, self.launch))
            Started.last = self.name
            return self

        def __exit__(self, *exc):
            self.found.append((self.name, "stopped"))

        def has_ended(self):
            return self.name in self.ends

        def last_lines(self):
            return "; its last words:\n    no database"

    def fire(aim, tick=None):
        if Started.last in Started.refuses:
            raise ConnectFailed("nobody answers")
        return simulated.run("127.0.0.1:1", conditions={"bystander": "heartbeat"}), None

    monkeypatch.setattr(one_app, "ServerInMode", Started)
    monkeypatch.setattr(one_app.Aim, "fire", fire)
    return Started


def asked(tmp_path, plan=None, settings=None, **given):
    def aim(url):
        return aimed(url, lab.burst(3) if plan is None else plan, settings or {}, {})

    return Servers("shop:app", tmp_path, aim, **given)


@pytest.mark.parametrize(
    ("modes", "interpreters", "names"),
    [
        (("threading", "gevent"), (OLD,), ("threading", "gevent")),
        (("threading",), (OLD, NEW), ("Python 3.12.1", "Python 3.13.0")),
        (("gevent",), (OLD,), ("gevent",)),
        (
            ("threading", "gevent"),
            (OLD, NEW),
            (
                "threading, Python 3.12.1",
                "gevent, Python 3.12.1",
                "threading, Python 3.13.0",
                "gevent, Python 3.13.0",
            ),
        ),
    ],
)
def test_a_server_is_called_after_what_differs(started, tmp_path, modes, interpreters, names):
    order = asked(tmp_path, modes=modes, interpreters=interpreters, repeats=2)
    assert order.names == names
    result = lab.Comparison(tuple(order.runs()), names=order.names)
    assert result.strategies == names
    assert {run.strategy for run in result.runs} == {"shop:app"}
    assert {run.mode for run in result.runs} == set(modes)
    assert all(run.conditions.interpreter == TOLD for run in result.runs)
    launched = [launch for _, launch in started.found[::2]]
    assert {launch.python for launch in launched} == {each.path for each in interpreters}


def test_each_round_has_each_server_once_in_an_order_of_its_own(started, tmp_path):
    list(asked(tmp_path, modes=("threading", "gunicorn", "gevent"), interpreters=(OLD,), repeats=5).runs())
    names = [name for name, _ in started.found[::2]]
    rounds = [tuple(names[at : at + 3]) for at in range(0, 15, 3)]
    assert all(sorted(each) == ["gevent", "gunicorn", "threading"] for each in rounds)
    assert len(set(rounds)) > 1
    assert [what for _, what in started.found[1::2]] == ["stopped"] * 15


def test_gunicorn_has_a_thread_for_each_connection(tmp_path):
    (launch,) = asked(tmp_path, lab.burst(8), modes=("gunicorn",), interpreters=(OLD,)).launches.values()
    assert launch.threads == 8 + 1 + SPARE_THREADS  # the bystander


@pytest.mark.parametrize(("modes", "rounds"), [(1, 3), (2, 6), (3, 6), (5, 7)])
def test_so_many_rounds_that_the_figures_together_can_tell_and_one_to_spare(tmp_path, modes, rounds):
    every = ("threading", "gunicorn", "gevent", "gevent-unpatched", "asgi")
    assert asked(tmp_path, modes=every[:modes], interpreters=(OLD,)).rounds == rounds


def test_what_does_not_start_is_left_out_and_told(started, tmp_path):
    started.fails = {"asgi": "it has no AsyncServer"}
    order = asked(tmp_path, modes=("threading", "asgi"), interpreters=(OLD,), repeats=2)
    order.try_all()
    assert order.failed == {"asgi": "it has no AsyncServer"}
    assert [run.variant for run in order.runs()] == ["threading"] * 2


def test_where_nothing_starts_each_reason_is_said_once(started, tmp_path):
    started.fails = dict.fromkeys(("threading", "gevent"), "there is no module shop here")
    with pytest.raises(UsageError, match=r"^nothing here can serve shop:app: there is no module shop here$"):
        asked(tmp_path, modes=("threading", "gevent"), interpreters=(OLD,)).try_all()


def test_a_server_that_ends_is_measured_no_more_and_the_others_are(started, tmp_path):
    started.ends = ("gevent",)
    order = asked(tmp_path, modes=("threading", "gevent"), interpreters=(OLD,), repeats=3)
    assert [run.variant for run in order.runs()] == ["threading"] * 3
    assert sum(name == "gevent" for name, _ in started.found[::2]) == 1
    assert order.failed["gevent"].startswith("ended while it was fired at, and 0 of 10 events had no answer; its last")


def test_a_server_that_lets_nobody_in_is_left_out(started, tmp_path):
    started.refuses = ("threading",)
    order = asked(tmp_path, modes=("threading", "gevent"), interpreters=(OLD,), repeats=2)
    assert [run.variant for run in order.runs()] == ["gevent"] * 2
    assert "serves nobody: nobody answers" in order.failed["threading"]


def test_where_none_is_left_it_ends(started, tmp_path):
    started.ends = ("threading", "gevent")
    with pytest.raises(NotStarted, match="ended while"):
        list(asked(tmp_path, modes=("threading", "gevent"), interpreters=(OLD,), repeats=3).runs())


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"modes": ()}, UsageError, "name at least one mode"),
        ({"modes": ("gevent", "gevent")}, UsageError, "named twice"),
        ({"interpreters": (OLD, dataclasses.replace(OLD, name="x"))}, UsageError, "named twice"),
        ({"repeats": 0}, UsageError, "1 to 1,000"),
        ({"modes": ("eventlet",)}, ModeError, "not 'eventlet'"),
        ({"settings": {"response": ""}}, UsageError, "response"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(started, tmp_path, given, error, said):
    with pytest.raises(error, match=said):
        asked(tmp_path, **{"interpreters": (OLD,), **given})
    assert started.found == []


def test_in_python(started, tmp_path):
    started.fails = {"asgi": "it has no AsyncServer"}
    found = lab.compare_servers(
        "shop:app", lab.burst(3), modes=["threading", "asgi"], folder=tmp_path, repeats=2, save_to=tmp_path / "kept"
    )
    assert isinstance(found, lab.AcrossServers)
    assert found.failed == {"asgi": "it has no AsyncServer"}
    assert len(lab.Comparison.load(tmp_path / "kept").runs) == 2
    with pytest.raises(UsageError, match="payload"):
        lab.compare_servers("shop:app", lab.burst(3), paylod={})


def test_what_was_measured_before_a_failure_is_said_to_be_kept(started, tmp_path, monkeypatch):
    def ends(aim, tick=None):
        raise lab.LabError("the client ended")

    monkeypatch.setattr(one_app.Aim, "fire", ends)
    with pytest.raises(lab.LabError) as raised:
        lab.compare_servers("shop:app", lab.burst(3), modes=["threading"], folder=tmp_path)
    assert raised.value.__notes__ == ["the 0 runs that were measured before are lost, since no save_to=... was given"]
