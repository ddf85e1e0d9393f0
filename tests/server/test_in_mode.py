"""An app as it is, served in each mode in a process of its own: what is told of it, and that nothing stays."""

import sys
import urllib.request

import pytest

from labkit.base import processes
from labkit.base.errors import ModeError, NotStarted, UsageError
from labkit.server.in_mode import InMode, ServerInMode
from tests.support.helpers import wait_until

pytestmark = pytest.mark.measured

APP = """
import sys
from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app)


@app.route("/")
def seen():
    from gevent import monkey
    return f"{'labkit' in sys.modules} {monkey.is_module_patched('socket')} {socketio.server.eio.async_mode}"
"""

ASYNC = """
import socketio
app = socketio.ASGIApp(socketio.AsyncServer(), static_files={"/": {"filename": __file__, "content_type": "text/plain"}})
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "shop.py").write_text(APP)
    (tmp_path / "later.py").write_text(ASYNC)
    return tmp_path


def page(served):
    with urllib.request.urlopen(served.url, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("threading", "False False threading"),
        ("gunicorn", "False False threading"),
        ("gevent", "False True gevent"),
        ("gevent-unpatched", "False False gevent"),
    ],
)
def test_each_mode_has_what_it_needs_and_labkit_is_not_there(folder, mode, seen):
    files = sorted(folder.rglob("*"))
    with ServerInMode("it", folder, InMode("shop:app", mode=mode, threads=6)) as served:
        assert page(served) == seen
        assert served.told["mode"] == mode
        assert served.told["python"].startswith(".".join(map(str, sys.version_info[:2])))
        assert served.told["versions"]["flask-socketio"]
    assert not processes.marked(served._mark)
    assert sorted(folder.rglob("*")) == files


def test_asgi_serves_an_app_with_an_async_server(folder):
    with ServerInMode("it", folder, InMode("later:app", mode="asgi")) as served:
        assert page(served) == ASYNC
        assert served.told["async_mode"] == "asgi"


@pytest.mark.parametrize("mode", ["threading", "gunicorn"])
def test_what_cannot_be_served_is_told_at_once_and_nothing_stays(folder, mode):
    served = ServerInMode("it", folder, InMode("later:app", mode=mode))
    with pytest.raises(NotStarted, match=r"^it: later:app has an AsyncServer, which mode asgi serves, and no other$"):
        served.start()
    assert not processes.marked(served._mark)


def test_an_app_that_does_not_come_to_an_end_with_its_import(folder):
    (folder / "shop.py").write_text("import time\ntime.sleep(60)")
    with pytest.raises(NotStarted, match=r"within 0.5 s: see whether importing the app waits for something"):
        ServerInMode("it", folder, InMode("shop:app", start_s=0.5)).start()


def test_it_ends_with_who_started_it(folder):
    served = ServerInMode("it", folder, InMode("shop:app", mode="gunicorn"))
    served.start()
    served._process.stdin.close()  # as the kernel does where its parent is killed
    assert wait_until(served.has_ended)
    assert wait_until(lambda: not processes.marked(served._mark))
    served.stop()


def test_names_that_make_no_sense():
    with pytest.raises(ModeError, match="threading, gunicorn, gevent, gevent-unpatched, asgi, not 'eventlet'"):
        InMode("shop:app", mode="eventlet")
    with pytest.raises(UsageError, match="module:name"):
        InMode("shop")
    with pytest.raises(UsageError, match="name the app"):
        InMode(command=("python", "shop.py"))
