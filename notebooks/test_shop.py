"""The mended shop stays mended: python -m pytest notebooks/test_shop.py (labkit brings the fixtures)."""

import pytest
from shop.mended import app

import labkit as lab

pytestmark = pytest.mark.measured  # it opens sockets


def test_a_search_is_answered(socketio_server, socketio_client):
    client = socketio_client(socketio_server(app))
    assert "product 7" in client.call("search", "7", timeout=5)


def test_nobody_waits_for_a_report(socketio_server, fire, expect):
    server = socketio_server(app)
    run = fire(
        server,
        lab.burst(3),
        event="report",
        payload=1,
        response="report",
        bystander="search",
        bystander_payload="7",
        ping_hz=50,
    )
    expect(run, "lost == 0", "bystander.p50 < 15ms")
