"""A function inside its app's context: here, in a worker process, and what is said where the app cannot be made."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from loky import ProcessPoolExecutor

import labkit as lab
from labkit.base.errors import WorkloadError
from labkit.plan import flask_app, targets
from labkit.plan import work as workloads

SHOP = """
import os
from flask import Flask, current_app

made = []

def create_app():
    app = Flask("shop")
    app.config["RATE"] = 3
    app.extensions["stock"] = {"made_in": os.getpid()}
    made.append(app)
    return app

app = create_app()

def price(number):
    return [number * current_app.config["RATE"], current_app.extensions["stock"]["made_in"]]

def raises():
    raise ValueError("SECRET_KEY is not set")

def gives_a_dict():
    return {}

def wants(config):
    return None

nothing = 7
"""


@pytest.fixture(autouse=True)
def shop(tmp_path, monkeypatch):
    (tmp_path / "labkit_shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(flask_app, "_apps", {})
    yield
    sys.modules.pop("labkit_shop", None)


def in_shop(app="labkit_shop:create_app"):
    return flask_app.in_app(targets.parse("labkit_shop:price"), app)


def test_the_work_keeps_its_name_and_sees_current_app():
    work = in_shop()
    assert work.name == "labkit_shop:price"
    assert work.function(5)[0] == 15


def test_an_app_that_is_there_already_will_do():
    assert in_shop("labkit_shop:app").function(2)[0] == 6


def test_without_the_app_it_fails():
    with pytest.raises(RuntimeError, match="application context"):
        targets.parse("labkit_shop:price").function(5)


def test_the_app_is_made_once_whatever_asks():
    work = in_shop()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work.function, range(40)))
    assert len(sys.modules["labkit_shop"].made) == 2  # the module's own, and ours


def test_a_worker_process_makes_its_own_app_once():
    work = in_shop()
    workloads.require_picklable(work)
    here = work.function(1)[1]
    with ProcessPoolExecutor(1) as pool:
        answers = list(pool.map(work.function, range(3)))
        pool.shutdown(kill_workers=True)
    assert [answer[0] for answer in answers] == [0, 3, 6]
    assert {answer[1] for answer in answers}.isdisjoint({here})
    assert len({answer[1] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("labkit_shop:raises", r"could not make the app \(ValueError: SECRET_KEY is not set\): mend it"),
        ("labkit_shop:wants", "could not make the app .*missing 1 required positional argument"),
        ("labkit_shop:gives_a_dict", "gives a dict, not a Flask app"),
        ("labkit_shop:not_there", "has no 'not_there'"),
        ("labkit_shop:nothing", "is a int, not a function"),
        ("no_such_module:create_app", "cannot import 'no_such_module'"),
        ("labkit_shop", "write the app as package.module:create_app"),
        (":create_app", "write the app as package.module:create_app"),
    ],
)
def test_what_is_wrong_with_the_app_is_one_sentence(app, message):
    with pytest.raises(WorkloadError, match=message) as caught:
        in_shop(app)
    assert "\n" not in str(caught.value)


def test_the_labs_own_work_needs_no_app():
    with pytest.raises(WorkloadError, match="io_wait:1ms is the lab's own work"):
        flask_app.in_app(lab.io_wait(1), "labkit_shop:create_app")
