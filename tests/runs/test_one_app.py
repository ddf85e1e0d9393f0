"""What may be said of an app at several servers: who is soonest, who is not ranked, and what the GIL allowed."""

import json
import math

import pytest

from labkit.runs import difference
from labkit.runs.comparison import Comparison
from labkit.runs.one_app import AcrossServers, python
from tests.support import simulated

HERE = {"python": "3.13.0", "implementation": "CPython", "gil": True, "free_threaded": False, "versions": {}}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(difference, "RESAMPLES", 999)


def across(servers, repeats=6, failed=None, bystander="heartbeat", told=None):
    """An app at servers, each with arguments of `simulated.run`."""
    runs = []
    for number in range(repeats):
        for name, given in servers.items():
            about = {"interpreter": {**HERE, **(told or {}).get(name, {})}, "bystander": bystander}
            about["url"] = "http://127.0.0.1:5000"
            said = {"spread": 0.02, **given, "conditions": {**about, **given.get("conditions", {})}}
            shared = {"instrumented": False, "work": "price", "mode": name, "seed": number}
            runs.append(simulated.run("shop:app", 200, **shared, **said))
    named = [type(run)(**{**vars_of(run), "variant": run.mode}) for run in runs]
    return AcrossServers(Comparison(tuple(named), names=tuple(servers)), failed or {})


def vars_of(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


def test_a_server_goes_by_its_mode_alone():
    found = across({"threading": {"own_ms": 20}, "gevent": {"own_ms": 10}}, repeats=1)
    assert found.result.strategies == ("threading", "gevent")


def test_the_soonest_is_said_with_the_factor_and_its_interval():
    found = across({"threading": {"own_ms": 40}, "gunicorn": {"own_ms": 30}, "gevent": {"own_ms": 20}})
    own, pings = found.soonest
    assert own.startswith("Own answers come soonest under gevent: 1.5x (1.")
    assert "sooner than under gunicorn, 2.0x (" in own
    assert own.endswith("sooner than under threading, at p50 of 6 runs each.")
    assert pings.startswith("Ping frames: nobody can tell ")


def test_a_factor_in_which_nobody_reads_a_difference_is_none():
    alike = {"threading": {"own_ms": 40.1, "spread": 1e-6}, "gevent": {"own_ms": 40, "spread": 1e-6}}
    found = across(alike)
    assert found.result.versus("gevent", "threading", "own").is_distinguishable
    assert "nobody can tell gevent and threading apart" in found.soonest[0]


def test_what_cannot_be_told_apart_stays_together():
    found = across({"threading": {"own_ms": 40}, "gunicorn": {"own_ms": 20}, "gevent": {"own_ms": 20}})
    assert " come as soon under " in found.soonest[0]
    assert "gunicorn" in found.soonest[0].partition(":")[0]
    assert "2.0x" in found.soonest[0]


def test_too_few_runs_tell_nothing():
    found = across({"threading": {"own_ms": 40}, "gunicorn": {"own_ms": 30}, "gevent": {"own_ms": 20}}, repeats=4)
    assert found.soonest[0] == "Own answers: too few runs to tell servers apart, 4 of each; 5 of each can."


def test_who_lost_events_is_fastest_of_nothing():
    lossy = {"own_ms": [5.0] * 199 + [math.inf]}
    found = across({"threading": {"own_ms": 40}, "gunicorn": {"own_ms": 30}, "gevent": lossy})
    assert found.broken == ("gevent lost 6 of 1,200 events.",)
    assert found.soonest[0] == "Not ranked, since it ended or events were lost: gevent."
    assert found.soonest[1].startswith("Own answers come soonest under gunicorn")
    assert not found.is_good


def test_who_ended_meanwhile_is_told_and_not_ranked():
    found = across({"threading": {"own_ms": 40}, "gevent": {"own_ms": 20}}, failed={"gevent": "ended"})
    assert found.sentences[:2] == (
        "gevent was left out: ended",
        "Not ranked, since it ended or events were lost: gevent.",
    )
    assert not [sentence for sentence in found.sentences if "soonest" in sentence]
    assert not found.is_good


def test_rounds_with_an_invalid_run_are_left_out_and_too_many_of_them_said():
    late = {"own_ms": 20, "late_ms": 15}
    found = across({"threading": {"own_ms": 40}, "gevent": late})
    assert not found.result.is_valid
    assert found.soonest == ("Who is soonest is not said: in 6 of 6 rounds a run is INVALID.",)


def test_one_server_is_not_ranked():
    assert across({"gevent": {"own_ms": 20}}).soonest == ()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "Python 3.13.0: with a GIL, so one thread at a time ran Python code."),
        ({"gil": False, "free_threaded": True}, "Python 3.13.0 free-threaded: without a GIL, so threads that compute"),
        ({"free_threaded": True}, "Python 3.13.0 free-threaded: its GIL was on, although the build can do without"),
        ({"gil": None, "implementation": "IronPython"}, "Python IronPython 3.13.0: whether it has a GIL is not known"),
        ({"pypy": "7.3.17", "python": "3.10.14"}, "Python PyPy 7.3.17 (3.10.14): with a GIL"),
    ],
)
def test_the_gil_is_spoken_of_as_the_interpreter_has_it(told, said):
    found = across({"gevent": {"own_ms": 20}}, repeats=1, told={"gevent": told})
    assert found.of_the_gil[0].startswith(said)
    assert found.may_have_gil == (told.get("gil", True) is not False)


def test_interpreters_alike_share_a_sentence():
    servers = {name: {"own_ms": 20} for name in ("a", "b", "c")}
    found = across(servers, repeats=1, told={"b": {"python": "3.12.1"}, "c": {"gil": False, "free_threaded": True}})
    assert found.of_the_gil[0].startswith("Python 3.13.0 and 3.12.1: with a GIL")
    assert found.of_the_gil[1].startswith("Python 3.13.0 free-threaded: without a GIL")


def test_the_table_says_what_served():
    versions = {"gunicorn": "27.0.1", "flask-socketio": "5.7.0", "python-socketio": "5.18.1"}
    told = {"gunicorn": {"versions": versions, "async_mode": "threading"}}
    tuned = {"conditions": {"tuned": {"gunicorn's threads": "15"}}}
    found = across({"gunicorn": tuned, "gevent": {}}, repeats=1, told=told)
    assert found.table().rows == (
        ("gunicorn", "3.13.0", "yes", "threading", "gunicorn 27.0.1 (15 threads)", "5.7.0", "5.18.1"),
        ("gevent", "3.13.0", "yes", "", "gevent", "-", "-"),
    )


def test_the_same_as_json_and_html():
    found = across({"threading": {"own_ms": 40}, "gevent": {"own_ms": 20}}, failed={"gunicorn": "<no> worker"})
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["servers"][0] == {"name": "threading", **HERE}
    assert told["left_out"] == {"gunicorn": "<no> worker"}
    assert told["sentences"] == list(found.sentences)
    assert "&lt;no&gt; worker" in found._repr_html_()
    assert "gunicorn was left out" in repr(found)


def test_what_an_older_run_does_not_say_is_not_made_up():
    assert python({}) == "not known"
