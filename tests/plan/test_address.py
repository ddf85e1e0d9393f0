"""Whose server is fired at: of this machine, or refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lab
from labkit.base.errors import UsageError
from labkit.plan import address
from labkit.plan.schedules import Schedule

PLAN = lab.constant(10, seconds=1)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:5000", ("http://127.0.0.1:5000", "127.0.0.1", 5000)),
        ("127.0.0.1:5000", ("http://127.0.0.1:5000", "127.0.0.1", 5000)),
        ("ws://localhost/", ("http://localhost:80", "localhost", 80)),
        ("https://localhost", ("https://localhost:443", "localhost", 443)),
        ("wss://[::1]:8443", ("https://[::1]:8443", "::1", 8443)),
    ],
)
def test_a_url_says_where_a_server_listens(url, told):
    found = address.parsed(url)
    assert (found.url, found.host, found.port) == told


def test_the_query_of_a_url_is_kept_and_is_no_part_of_its_name():
    found = address.parsed("http://127.0.0.1:5000/?token=abc&room=")
    assert found.query == (("token", "abc"), ("room", ""))
    assert "abc" not in found.url + found.name


@given(st.text())
def test_any_text_is_an_address_or_a_sentence(text):
    with contextlib.suppress(UsageError):
        assert address.parsed(text).host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_loopback_is_this_machine(host):
    address.require_own(address.parsed(f"http://{host}:5000"), PLAN, 1000)


def resolving_to(monkeypatch, *addresses):
    monkeypatch.setattr(address.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 80)) for a in addresses])


def test_a_name_that_leads_elsewhere_is_refused_also_where_it_leads_here_too(monkeypatch):
    shop = address.parsed("http://shop.test")
    resolving_to(monkeypatch, "127.0.0.1")
    address.require_own(shop, PLAN, 10)
    for found in (["192.0.2.1"], ["127.0.0.1", "192.0.2.1"], ["::1", "2001:db8::1"], ["fe80::1%eth0"]):
        resolving_to(monkeypatch, *found)
        with pytest.raises(UsageError, match=r"shop\.test is not this machine \(127"):
            address.require_own(shop, PLAN, 10)


def test_its_owner_may_send_a_little(monkeypatch):
    shop = address.parsed("http://shop.test")
    resolving_to(monkeypatch, "192.0.2.1")
    address.require_own(shop, lab.constant(100, seconds=5), 100, is_mine=True)
    address.require_own(shop, lab.burst(100), 100, is_mine=True)
    for plan, clients in (
        (lab.constant(101, seconds=5), 10),
        (lab.burst(101), 10),
        (lab.burst(60, every_s=0.5, times=2), 10),
        (PLAN, 101),
    ):
        with pytest.raises(UsageError, match="are too much for another machine"):
            address.require_own(shop, plan, clients, is_mine=True)


@given(st.lists(st.integers(0, 5_000_000_000), min_size=1, max_size=60))
def test_the_busiest_second_is_the_most_events_of_any(instants):
    due = np.sort(np.array(instants, np.int64))
    plan = Schedule("any", due, np.zeros(len(due), np.int64), 1, 0)
    assert address.busiest_second(plan) == max(int(((due >= t) & (due < t + 1_000_000_000)).sum()) for t in due)
