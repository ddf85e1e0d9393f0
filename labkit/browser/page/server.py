"""The page's server half: its files, and the events that feed it. It is served beside a strategy.

The page may come from anywhere below a prefix (a proxy's): all of its addresses are relative. What it shows comes as
text, never as markup; only its own origin may connect (python-socketio's default), and its files forbid everything
that is not from there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, request
from flask_socketio import SocketIO

from labkit.base import clock
from labkit.base.errors import UsageError
from labkit.base.renamed import refusing_old_names
from labkit.browser.page import javascript
from labkit.browser.page.feed import MAX_FEEDS, Feed, Order
from labkit.browser.page.patterns import Pattern, ways
from labkit.plan.work import Calculation, Work, io_wait
from labkit.server.in_process import Server
from labkit.strategies import Strategy
from labkit.strategies import strategy as strategy_of

#: So many orders and refusals are remembered, the last ones: a page could send them without end.
MAX_KEPT = 50

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

_HEADERS = {
    "Cache-Control": "no-store",
    # No address is named: behind a proxy, 'self' is the proxy's. Without frame-ancestors, a notebook can show it.
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """The page as an extension of :class:`labkit.server.in_process.Server`.

    Args:
        payloads: what the page's button sends as ``payload``, in turn.
        found: the JavaScript parts; looked for when the server starts where None.
        patterns: ways of updating the page; those that are not its own are served too.

    Attributes:
        feeds: every feed since the start, in order; the last :data:`MAX_KEPT` where there were more.
        refused: what pages asked for in vain, for people to read; as many of them.
    """

    def __init__(
        self, *, payloads: Sequence[Any] = (0,), found: javascript.Parts | None = None, patterns: Sequence[Pattern] = ()
    ) -> None:
        self.payloads = list(payloads)
        self.own = {way.page: way.source for way in patterns if way.source}
        self.found = found
        self.feeds: list[Feed] = []
        self.refused: list[str] = []
        self._of: dict[str, Feed] = {}  # by connection
        self._at_work: set[int] = set()  # feeds, by identity

    def extend(self, app: Flask, socketio: SocketIO) -> Callable[[], object]:
        """Register the page's routes and events."""
        found = self.found or javascript.find()
        app.register_blueprint(_blueprint(found, self.own))

        def hello() -> dict[str, Any]:
            return {"payloads": self.payloads, "patterns": list(self.own)}

        def feed(wish: object, to: object = None) -> dict[str, Any]:
            sid = request.sid  # type: ignore[attr-defined]
            try:
                order = Order.of(wish)
                reader = self._reader(socketio, sid, to)
                if len(self._at_work) >= MAX_FEEDS:
                    raise UsageError(f"{MAX_FEEDS} orders are being carried out: wait, or close a page")
            except UsageError as error:
                self.refused.append(str(error)[:1000])
                del self.refused[:-MAX_KEPT]
                return {"refused": str(error)}
            self._leave(sid)
            feed = self._of[sid] = Feed(order)
            self.feeds.append(feed)
            del self.feeds[:-MAX_KEPT]
            self._at_work.add(id(feed))
            socketio.start_background_task(self._send, socketio, feed, sid, reader)
            return {"events": order.events}

        def disconnect(*_: object) -> None:
            self._leave(request.sid)  # type: ignore[attr-defined]

        socketio.on_event("clock", clock.now_ns)
        socketio.on_event("hello", hello)
        socketio.on_event("feed", feed)
        socketio.on_event("disconnect", disconnect)
        return self._leave_all

    @staticmethod
    def _reader(socketio: SocketIO, sid: str, to: object) -> str:
        """Whose socket gets the updates: the page's own, or that of its worker."""
        if to is None:
            return sid
        if not isinstance(to, str) or not socketio.server.manager.is_connected(to, "/"):
            raise UsageError("updates can go to a connection that is open: give its id, or none for one's own")
        return to

    def _send(self, socketio: SocketIO, feed: Feed, sid: str, reader: str) -> None:
        try:
            feed.run(lambda data: socketio.emit("update", data, to=reader), socketio.sleep)
        finally:
            self._at_work.discard(id(feed))
        socketio.emit("fed", {"fed": True, "sent": len(feed.sent_ns)}, to=sid)

    def _leave(self, sid: str) -> None:
        if (feed := self._of.pop(sid, None)) is not None:
            feed.connected = False

    def _leave_all(self) -> None:
        for sid in list(self._of):
            self._leave(sid)


def _blueprint(found: javascript.Parts, own: Mapping[str, str]) -> Blueprint:
    assets = files("labkit.browser") / "assets"
    pages = Blueprint("page", __name__)

    @pages.get("/")
    @pages.get("/<name>")
    @pages.get("/patterns/<pattern>")
    def asset(name: str = "page.html", pattern: str | None = None) -> Response:
        where = assets / name if pattern is None else assets / "patterns" / pattern
        ending = Path(where.name).suffix
        if ending not in _TYPES or not where.is_file():
            abort(404)
        return Response(where.read_bytes(), mimetype=_TYPES[ending], headers=_HEADERS)

    @pages.get("/own/<name>.js")
    def of_the_reader(name: str) -> Response:
        if name not in own:
            abort(404)
        return Response(own[name], mimetype="text/javascript", headers=_HEADERS)

    @pages.get("/parts/<name>")
    def part(name: str) -> Response:
        if name not in javascript.FILES:
            abort(404)
        return Response(found.path(name).read_bytes(), mimetype="text/javascript", headers=_HEADERS)

    return pages


def server_of(
    strategy: str | Strategy = "inline",
    work: Work | None = None,
    *,
    patterns: Sequence[str | Path | Pattern] = (),
    port: int = 0,
    names: Sequence[str] = (),
) -> Server:
    """A server with the page, not yet started; `names` as of :class:`Server`, other arguments as of :func:`serve`."""
    work = work or io_wait(ms=1)
    page = Page(payloads=list(work.make_payloads(20, 0)), patterns=ways(patterns))
    return Server(strategy_of(strategy), Calculation(work.function), extension=page, port=port, names=names)


@refusing_old_names
@contextmanager
def serve(
    strategy: str | Strategy = "inline",
    work: Work | None = None,
    *,
    patterns: Sequence[str | Path | Pattern] = (),
    port: int = 0,
) -> Iterator[Server]:
    """The page by hand, for a browser of one's own: ``with serve() as server: server.url``.

    Args:
        strategy: how the page's button is answered.
        work: what an answer costs; 1 ms of waiting where None.
        patterns: files of the reader's, offered beside the page's own.
        port: 0 for one that is free.

    Raises:
        MissingExtra: the page's JavaScript parts are not installed.
        UsageError: a file is no pattern.
        LabError: the server did not start.
    """
    with server_of(strategy, work, patterns=patterns, port=port) as server:
        yield server
