"""`lab.watch` in a notebook: once a call, or what happened in a block; no thread stays."""

import sys
import threading
from types import SimpleNamespace

import pytest
import socketio as plain

import labkit as lab
from labkit.base.errors import UsageError
from labkit.server.child import ChildServer
from labkit.server.serving import Serving
from tests.support.helpers import no_thread_dies, nothing_left_behind


def handle(server, name):
    server._handle_event("eio", "/", None, [name])


@pytest.fixture
def server(monkeypatch):
    """Of one client, which nobody has to connect."""
    server = plain.Server(async_mode="threading", async_handlers=False)
    server.on("<b>hi</b>", lambda sid: None)
    server.on("later", lambda sid: None)
    monkeypatch.setattr(server.manager, "is_connected", lambda *_: True)
    return server


def test_a_call_shows_the_last_minute(server):
    assert "No event came." in repr(lab.watch(server))
    handle(server, "<b>hi</b>")
    told = lab.watch(server)
    assert [each.name for each in told.recent.events] == ["<b>hi</b>"]
    assert "<b>hi</b>" in repr(told)
    assert "&lt;b&gt;hi&lt;/b&gt;" in told._repr_html_()
    assert max(map(len, repr(told).splitlines())) <= 80
    assert lab.watch(lab.instrument(server)).recent.events_seen == 1
    lab.instrument(server).detach()


def test_a_block_shows_what_happened_in_it(server, monkeypatch):
    shown = []
    ipython = SimpleNamespace(get_ipython=lambda: "a shell", display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    before, threads = vars(server).copy(), set(threading.enumerate())
    with no_thread_dies(), nothing_left_behind(), lab.watch(server) as told:
        handle(server, "later")
        assert told.recent.events == ()
    assert shown == [told]
    assert [(each.name, each.count) for each in told.recent.events] == [("later", 1)]
    assert told.recent.is_watched
    assert vars(server) == before
    assert set(threading.enumerate()) <= threads


def test_a_block_leaves_what_was_seen_for_figures_and_claims(server, monkeypatch):
    shown = []
    ipython = SimpleNamespace(get_ipython=lambda: "a shell", display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    handle(server, "later")
    with lab.watch(server, show=False) as told:
        handle(server, "later")
        with pytest.raises(UsageError, match="after the block"):
            told.seen  # noqa: B018 (to ask is to raise)
    handle(server, "later")
    assert shown == []
    assert len(told.seen.took_ms("later")) == 1
    assert told.seen is told.seen
    assert str(told.seen.blame.told()).startswith("Nothing to blame")


def test_of_a_server_that_nobody_watches_there_is_no_blame_to_see(server):
    inside = lab.instrument(server)
    with lab.watch(server, show=False) as told:
        handle(server, "later")
    with pytest.raises(UsageError, match="blame=True"):
        told.seen  # noqa: B018
    inside.watch()
    with lab.watch(server, show=False) as told:
        handle(server, "later")
    assert len(told.seen.took_ms("later")) == 2  # since it is instrumented
    inside.detach()


def test_what_was_there_stays(server):
    inside = lab.instrument(server)
    handle(server, "<b>hi</b>")
    with lab.watch(server) as told:
        handle(server, "later")
    assert [each.name for each in told.recent.events] == ["later"]
    assert lab.instrument(server) is inside
    assert not told.recent.is_watched
    inside.detach()


def test_a_server_elsewhere(monkeypatch):
    monkeypatch.setattr(ChildServer, "__init__", lambda self: None)
    monkeypatch.setattr(ChildServer, "stop", lambda self: None)
    serving = Serving(None, None, "gevent", ChildServer())
    with pytest.raises(UsageError, match="runs in a process of its own"):
        lab.watch(serving)
    with pytest.raises(UsageError, match="is no server"):
        lab.watch("app")


@pytest.mark.measured
def test_a_server_of_the_lab(client):
    with lab.serve("inline", lab.cpu(ms=1)) as server:
        with lab.watch(server) as told:
            lab.fire(server, lab.burst(4), client=client)
        assert sum(each.count for each in told.recent.events if each.name not in ("connect", "disconnect")) >= 4
    assert told.recent.connections.open >= 0
