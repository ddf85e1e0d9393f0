"""Who is let in: by which name a server is asked for, and of which site the page is that asks."""

import asyncio

import pytest

from labkit.server.hosts.own_pages import (
    WRONG_LENGTH,
    WRONG_NAME,
    WRONG_SITE,
    Names,
    OwnPagesOnly,
    OwnPagesOnlyAsync,
    is_of_another_site,
)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5000", "localhost:1", "LOCALHOST:80", "[::1]", "[::1]:65535"])
def test_this_machine_is_let_in_under_its_own_names(host):
    assert Names("127.0.0.1").take(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "localhost.evil.example:1",
        "localhost:evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1,evil.example",
        "127.0.0.1\nevil.example",
        "xlocalhost",
        "127a0b0c1",
        "[::1",
        "192.0.2.1",
        "0.0.0.0",
    ],
)
def test_no_other_name_is(host):
    assert not Names("127.0.0.1").take(host)


def test_the_address_that_was_asked_for_and_further_names_are():
    assert Names("::1").take("[::1]:1")
    assert Names("192.0.2.1").take("192.0.2.1:80")
    assert Names("127.0.0.1", ["hub.example"]).take("hub.example:443")
    assert Names("127.0.0.1", ["*"]).take("any.example")
    assert Names("0.0.0.0").take("any.example")


@pytest.mark.parametrize(
    ("origin", "site", "mode", "query", "refused"),
    [
        ("", "", "", "EIO=4&transport=polling", False),  # no browser
        ("", "same-origin", "cors", "EIO=4&transport=polling", False),  # the page itself
        ("", "none", "navigate", "", False),  # typed into the address bar
        ("", "cross-site", "navigate", "", False),  # a link to the page, a notebook's frame around it
        ("", "cross-site", "navigate", "EIO=4&transport=polling", True),  # a frame around Engine.IO
        ("", "cross-site", "no-cors", "EIO=4&transport=polling", True),  # an image
        ("", "same-site", "no-cors", "", True),  # of localhost, from another port
        ("http://a.example", "cross-site", "cors", "EIO=4", False),  # Engine.IO's to judge
    ],
)
def test_a_request_without_an_origin_that_is_of_another_site_is_refused(origin, site, mode, query, refused):
    assert is_of_another_site(origin, site, mode, query) is refused


def answered(**environ):
    """Status and body of the WSGI application."""
    told = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"let in"]

    body = OwnPagesOnly(app, Names("127.0.0.1"))({"HTTP_HOST": "localhost", **environ}, lambda *of: told.append(of))
    return told[0][0].split()[0], b"".join(body)


def test_what_is_refused_is_told_why():
    assert answered() == ("200", b"let in")
    assert answered(HTTP_HOST="evil.example") == ("403", WRONG_NAME)
    assert answered(HTTP_SEC_FETCH_SITE="cross-site") == ("403", WRONG_SITE)
    assert answered(CONTENT_LENGTH="-1") == ("400", WRONG_LENGTH)
    assert answered(CONTENT_LENGTH="") == answered(CONTENT_LENGTH="7") == ("200", b"let in")


def sent(kind, *headers):
    """What the ASGI application sends."""
    messages = []

    async def app(scope, receive, send):
        await send({"type": "let in"})

    async def send(message):
        messages.append(message)

    scope = {"type": kind, "headers": list(headers), "query_string": b"EIO=4"}
    asyncio.run(OwnPagesOnlyAsync(app, Names("127.0.0.1"))(scope, None, send))
    return messages


def test_an_asgi_application_lets_in_the_same():
    own, other = (b"host", b"localhost:1"), (b"host", b"evil.example")
    for kind in ("http", "websocket"):
        assert sent(kind, own) == [{"type": "let in"}]
    assert sent("lifespan") == [{"type": "let in"}]
    for headers in ((other,), (), (own, other), (own, (b"sec-fetch-site", b"cross-site"))):
        assert sent("websocket", *headers) == [{"type": "websocket.close"}]
        assert sent("http", *headers)[0]["status"] == 403
