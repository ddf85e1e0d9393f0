"""What HAProxy is told, and what is said where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import MissingExtra
from labkit.scale import proxy

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


def lines(*, sticky, servers=None):
    from pathlib import Path

    told = proxy.configuration("fd@7", servers or {"a": 5001, "b": 5002}, Path("/t/haproxy.sock"), sticky=sticky)
    return [line.strip() for line in told.splitlines()]


def test_a_cookie_keeps_a_client_with_its_server():
    told = lines(sticky=True)
    assert f"cookie {proxy.COOKIE} insert indirect nocache httponly" in told
    assert "server a 127.0.0.1:5001 cookie a check inter 500ms fall 2 rise 1" in told
    assert "retry-on conn-failure empty-response" in told  # or who comes just when a server is killed gets a 502
    assert "option redispatch 1" in told  # or a cookie would hold a client at a server that is gone


def test_without_one_each_request_goes_to_the_next():
    told = lines(sticky=False)
    assert "balance roundrobin" in told
    assert not any(line.startswith("cookie") or " cookie " in line for line in told)


def test_only_who_started_it_gives_it_orders_and_it_listens_where_it_is_told():
    told = lines(sticky=True)
    assert "stats socket /t/haproxy.sock mode 600 level admin" in told
    assert [line for line in told if line.startswith("bind")] == ["bind fd@7"]


@given(NAMES, st.booleans())
def test_each_server_has_one_line(names, sticky):
    told = lines(sticky=sticky, servers={name: 5000 + number for number, name in enumerate(names)})
    assert [line.split()[1] for line in told if line.startswith("server ")] == names


def test_without_a_haproxy_it_is_said_how_to_get_one(monkeypatch):
    monkeypatch.setattr(proxy, "program", lambda: None)
    with pytest.raises(MissingExtra, match="apt-get install haproxy"):
        proxy.require()
