"""A stranger's page in a real Chromium: it gets nothing out of the lab's server, by whatever way it asks."""

import functools
import http.server
import threading
from contextlib import contextmanager

import pytest

from labkit.browser.driver import chromium
from labkit.plan.work import io_wait
from labkit.server.serving import serve
from tests.support import browsing

pytestmark = pytest.mark.measured

#: Leads to this machine in the browser that is started here, as a rebound name does.
STRANGER = "stranger.example"

#: What a page can try: each is told as a word. Of an answer that the page may not read, `fetch` tells nothing.
TRIES = """async (port) => {
  const own = port || location.port, told = {};
  for (const host of ["127.0.0.1", "localhost", location.hostname]) {
    const polling = `http://${host}:${own}/socket.io/?EIO=4&transport=polling`;
    const ask = (options) => fetch(polling, options).then(
      async (answer) => answer.type === "opaque" ? "hidden" : (await answer.text()).slice(0, 6), () => "blocked");
    told[`${host} polling`] = await ask({});
    told[`${host} polling, hidden`] = await ask({mode: "no-cors"});
    told[`${host} posting`] = await ask({method: "POST", mode: "no-cors", body: "40"});
    told[`${host} image`] = await new Promise((done) => {
      const image = new Image();
      image.onload = () => done("shown");
      image.onerror = () => done("refused");
      image.src = polling;
    });
    told[`${host} websocket`] = await new Promise((done) => {
      const socket = new WebSocket(`ws://${host}:${own}/socket.io/?EIO=4&transport=websocket`);
      socket.onmessage = (message) => done(String(message.data).slice(0, 6));
      socket.onerror = () => done("refused");
    });
  }
  return told;
}"""


@contextmanager
def page_of_a_stranger():
    """A server of another origin; gives its port."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>a stranger</title>")

        log_message = functools.partial(lambda *_: None)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield other.server_port
        finally:
            other.shutdown()
            thread.join()


def test_a_strangers_page_gets_nothing():
    found = browsing.needed()
    from playwright.sync_api import sync_playwright

    with (
        serve("inline", io_wait(1)) as serving,
        page_of_a_stranger() as other,
        sync_playwright() as play,
        play.chromium.launch(
            executable_path=(chromium.shell() or found).path,
            args=[f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1"],
        ) as browser,
    ):
        own, sockets = serving.server.port, serving.server.socketio.server.eio.sockets
        page = browser.new_page()
        # Hijacking: from another port, from another name, and from this machine's own.
        for host in ("127.0.0.1", "localhost", STRANGER):
            page.goto(f"http://{host}:{other}/")
            told = page.evaluate(TRIES, own)
            assert set(told.values()) <= {"blocked", "hidden", "refused"}, told
            assert not sockets, told
        # Rebinding: the name that the page came under leads to the lab's server now; for the browser it is one origin.
        answer = page.goto(f"http://{STRANGER}:{own}/")
        assert answer.status == 403
        told = page.evaluate(TRIES, 0)
        assert all(word in ("blocked", "hidden", "refused", "This s") for word in told.values()), told
        assert not sockets, told
        # The same tries by a page of its own: they would get through.
        page.goto(f"http://127.0.0.1:{own}/")
        told = page.evaluate(TRIES, 0)
        assert told["127.0.0.1 polling"] == told["127.0.0.1 websocket"] == '0{"sid'
