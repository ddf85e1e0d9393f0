"""The page's server half on real sockets: its files, its events, its own origin only."""

import contextlib
import json
import urllib.error
import urllib.request

import pytest

from labkit.base.errors import MissingExtra
from labkit.browser.page import server as page_server
from labkit.browser.page.javascript import FILES, Parts
from labkit.browser.page.patterns import Pattern, pattern
from labkit.browser.page.server import Page
from labkit.server.in_process import Server
from labkit.strategies import Strategy
from tests.support.helpers import RawClient, answer_inline, echo, no_thread_dies, nothing_left_behind, wait_until

pytestmark = pytest.mark.measured


@pytest.fixture
def page(tmp_path):
    for path in FILES.values():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("// a part")
    own = Pattern("called", "mine", source="export function mine(view) {}")
    return Page(payloads=[7, 8], found=Parts(tmp_path), patterns=[pattern("naive"), own])


@pytest.fixture
def server(page):
    with (
        nothing_left_behind(),
        no_thread_dies(),
        Server(Strategy("tested", answer_inline), echo, extension=page) as running,
    ):
        yield running


def get(server, path, **headers):
    """Status and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=5) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", error.headers


def fed(client, **order):
    """Order a feed; its messages as they came, the acknowledgement, and what the end said."""
    client.send("421" + json.dumps(["feed", order]))
    messages, acknowledged = [], None
    while True:
        text = client.receive()
        if text.startswith("431"):  # the feed may well begin before it is acknowledged
            (acknowledged,) = json.loads(text[3:])
        elif text.startswith("42"):
            name, data = json.loads(text[2:])
            if name == "fed":
                return messages, acknowledged, data
            assert name == "update"
            messages.append(data)


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/view.js", "/patterns/naive.js", "/parts/web-vitals.js"]
)
def test_the_pages_files_are_served_and_kept_to_their_origin(server, path):
    status, body, headers = get(server, path)
    assert status == 200
    assert body
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/own/naive.js",
        "/own/..%2fpage.js",
        "/own/mine",
        "/package.json",
        "/page.py",
        "/..%2fpage.py",
        "/%2e%2e/page.py",
        "/patterns/..%2f..%2fpage.py",
        "/parts/x.js",
    ],
)
def test_nothing_else_is_served(server, path):
    assert get(server, path)[0] == 404


def test_a_pattern_of_the_readers_is_served_with_the_page(server):
    status, body, headers = get(server, "/own/mine.js")
    assert (status, body) == (200, "export function mine(view) {}")
    assert headers["Content-Type"].startswith("text/javascript")
    assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_every_address_of_the_page_is_relative(server):
    for path in ("/", "/page.js", "/hand.js", "/view.js", "/page.css", "/socket-worker.js", "/patterns/worker.js"):
        body = get(server, path)[1]
        for wrong in ('src="/', 'href="/', "from '/", "http://", "https://"):
            assert wrong not in body.replace("https://web.dev/articles/inp", "")


def test_only_its_own_origin_may_connect(server):
    path = "/socket.io/?EIO=4&transport=polling"
    assert get(server, path, Origin=server.url)[0] == 200
    assert get(server, path, Origin="http://elsewhere.example")[0] == 400


def test_the_buttons_payloads_are_told(server):
    with RawClient(server.port) as client:
        assert json.loads(client.ask('421["hello"]')[3:]) == [{"payloads": [7, 8], "patterns": ["mine"]}]


def test_the_servers_clock_is_told(server):
    with RawClient(server.port) as client:
        first, second = (json.loads(client.ask('421["clock"]')[3:])[0] for _ in range(2))
        assert first < second


def test_a_feed_comes_to_who_asked_and_to_nobody_else(server, page):
    with RawClient(server.port) as client, RawClient(server.port) as stranger:
        found, acknowledged, end = fed(client, events=5, rate_hz=500, first=100)
        assert acknowledged == {"events": 5}
        assert [each["id"] for each in found] == list(range(100, 105))
        assert end == {"fed": True, "sent": 5}
        assert page.feeds[0].sent_ns == [each["sent_ns"] for each in found]
        assert stranger.ask('421["hello"]').startswith("431")


def test_a_window_comes_as_one_message(server):
    with RawClient(server.port) as client:
        (message,), _, _ = fed(client, events=6, window_ms=1)
        assert [each["id"] for each in message] == list(range(6))


def test_a_feed_can_go_to_the_pages_worker(server, page):
    with RawClient(server.port) as client, RawClient(server.port) as worker:
        client.send("421" + json.dumps(["feed", {"events": 3}, worker.sid]))
        told = [json.loads(worker.receive()[2:]) for _ in range(3)]
        assert [(name, data["id"]) for name, data in told] == [("update", 0), ("update", 1), ("update", 2)]
        assert {client.receive()[:3] for _ in range(2)} == {"431", "42["}  # acknowledged, and that all was sent


@pytest.mark.parametrize("to", ["nobody", 7, ["a"]])
def test_a_feed_to_nobody_is_refused(server, page, to):
    with RawClient(server.port) as client:
        (told,) = json.loads(client.ask("421" + json.dumps(["feed", {"events": 3}, to]))[3:])
    assert "a connection that is open" in told["refused"]
    assert page.feeds == []


def test_an_order_that_makes_no_sense_is_refused(server, page):
    with RawClient(server.port) as client:
        (told,) = json.loads(client.ask('421["feed",{"events":-1}]')[3:])
    assert "events must be from 1" in told["refused"]
    assert page.refused == [told["refused"]]
    assert page.feeds == []


def test_a_page_that_leaves_is_sent_nothing_more(server, page):
    with RawClient(server.port) as client:
        client.send('421["feed",{"events":100000,"rate_hz":1000}]')
        assert wait_until(lambda: page.feeds and page.feeds[0].sent_ns)
        client.close()
    assert wait_until(lambda: not page.feeds[0].connected)
    assert len(page.feeds[0].sent_ns) < 50_000


def test_a_new_order_ends_the_one_before(server, page):
    with RawClient(server.port) as client:
        client.send('421["feed",{"events":5000,"rate_hz":10}]')
        client.send('422["feed",{"events":1}]')
        assert wait_until(lambda: len(page.feeds) == 2)
        assert not page.feeds[0].connected


def test_so_many_orders_at_once_and_no_more(server, page, monkeypatch):
    monkeypatch.setattr(page_server, "MAX_FEEDS", 2)
    long = '421["feed",{"events":100,"rate_hz":1}]'
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(RawClient(server.port)) for _ in range(3)]
        for client in clients[:2]:
            client.send(long)
        assert wait_until(lambda: len(page.feeds) == 2)
        clients[2].send(long)
        assert wait_until(lambda: page.refused == ["2 orders are being carried out: wait, or close a page"])
        clients[0].close()
        assert wait_until(lambda: len(page._at_work) == 1)  # although its next update is not due for long
        clients[2].send('422["feed",{"events":1}]')
        assert wait_until(lambda: len(page.feeds) == 3)


def test_orders_are_not_remembered_without_end(server, page, monkeypatch):
    monkeypatch.setattr(page_server, "MAX_KEPT", 2)
    with RawClient(server.port) as client:
        for first in range(4):
            fed(client, events=1, first=first)
            client.ask(f'421["feed",{{"events":{-first}}}]')
    assert [feed.order.first for feed in page.feeds] == [2, 3]
    assert len(page.refused) == 2


def test_without_parts_the_server_does_not_start(monkeypatch, tmp_path):
    from labkit.browser.page import javascript

    monkeypatch.setattr(javascript, "folder", lambda: tmp_path)
    server = Server(Strategy("tested", answer_inline), echo, extension=Page())
    with nothing_left_behind(), pytest.raises(MissingExtra, match="labkit browser --install"):
        server.start()
    server.stop()
