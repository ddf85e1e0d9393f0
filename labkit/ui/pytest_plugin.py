"""The pytest plugin: a real Socket.IO server and client for a test, a load fired at it, and what is expected of both.

::

    from shop import app

    def test_nobody_waits(socketio_server, fire, expect):
        server = socketio_server(app)
        run = fire(server, lab.burst(20), event="price")
        expect(run, "bystander.p50 < 200ms", "lost == 0")

pytest loads this module at each of its starts, also where no test uses it: nothing but pytest and the standard library
is imported before a fixture is used.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from labkit.runs.run import Run
    from labkit.runs.verdicts import Measured, Verdicts
    from labkit.server.existing_app import AppServer

#: The servers of a test, for its report.
_SERVERS = pytest.StashKey[list["AppServer"]]()

#: How long a client may take to connect, and a server's threads to end.
_CONNECT_S, _STOP_S = 5.0, 5.0


class ServeApp(Protocol):
    """What the fixture ``socketio_server`` is: ``socketio_server(app)``."""

    def __call__(self, app: Any, *, port: int = 0) -> "AppServer":
        """Serve an app on a loopback port until the test is over; the server that runs where it is served already."""


class ConnectClient(Protocol):
    """What the fixture ``socketio_client`` is: ``socketio_client(server)``."""

    def __call__(self, server: Any, *, client: Any = None, **connect: Any) -> Any:
        """Connect a ``socketio.Client`` until the test is over; arguments are those of its ``connect``."""


class Fire(Protocol):
    """What the fixture ``fire`` is: :func:`labkit.fire`, at a server or at an address."""

    def __call__(self, server: Any, plan: Any, **settings: Any) -> "Run":
        """Fire a plan from another process, and return what became of every event."""


class Expect(Protocol):
    """What the fixture ``expect`` is: :func:`labkit.expect`, which fails the test."""

    def __call__(self, measured: "Measured", *expectations: str, base: Any = None) -> "Verdicts":
        """Fail unless all expectations hold, with a table of what was asked and what was measured."""


@pytest.fixture
def socketio_server(request: pytest.FixtureRequest) -> Iterator[ServeApp]:
    """Serve a Flask app, a SocketIO or a socketio.Server for real: ``server = socketio_server(app)``; ``server.url``.

    It runs on threads of this process (``async_mode="threading"``, under Werkzeug), on a loopback port. When the test
    is over, also when it has failed, it has stopped: port and threads are gone, and the app can be served again.
    """
    from labkit.server.existing_app import AppServer

    servers: list[AppServer] = []
    request.node.stash[_SERVERS] = servers

    def serve(app: Any, *, port: int = 0) -> AppServer:
        for server in servers:
            if server.given is app and server.is_running:
                return server
        server = AppServer(app, port=port)
        server.start()
        servers.append(server)
        return server

    yield serve
    _end_all([partial(server.stop, _STOP_S) for server in reversed(servers)])
    if busy := [line for server in servers for line in server.log if line.startswith("still at work")]:
        request.node.warn(pytest.PytestWarning(f"a handler goes on after its server has stopped: {'; '.join(busy)}"))


@pytest.fixture
def socketio_client(socketio_server: ServeApp) -> Iterator[ConnectClient]:
    """Connect python-socketio's client: ``client = socketio_client(server)``, disconnected when the test is over.

    `server` is what ``socketio_server`` returned, or an address. `client` is a ``socketio.Client`` or a
    ``socketio.SimpleClient`` of your own, with its handlers; else a new ``socketio.Client`` is made. (It asks for
    ``socketio_server`` so that clients leave before servers stop.)
    """
    clients: list[Any] = []

    def connect(server: Any, *, client: Any = None, **connect: Any) -> Any:
        import socketio

        from labkit.base.errors import MissingExtra

        if client is None:
            client = socketio.Client(reconnection=False)
        clients.append(client)
        try:
            client.connect(_url(server), **{"wait_timeout": _CONNECT_S, **connect})
        except ImportError as error:  # python-socketio's client has requirements of its own
            raise MissingExtra(f"the client needs {error.name}: pip install 'python-socketio[client]'") from error
        return client

    yield connect
    _end_all([partial(_leave, client) for client in reversed(clients)])


@pytest.fixture
def fire() -> Fire:
    """Fire a plan at a server or an address, from another process: ``run = fire(server, lab.burst(20))``.

    Settings are those of :func:`labkit.fire`, such as ``event="price"``.
    """

    def fire_at(server: Any, plan: Any, **settings: Any) -> "Run":
        import labkit

        fired: Callable[..., Run] = labkit.fire
        return fired(server if hasattr(server, "strategy") else _url(server), plan, **settings)

    return fire_at


@pytest.fixture
def expect() -> Expect:
    """Fail the test unless a run is as expected: ``expect(run, "bystander.p98 < 200ms", "lost == 0")``.

    An expectation of which nobody can tell whether it holds fails, too: it says why. See :func:`labkit.expect`.
    """

    def expect_of(measured: "Measured", *expectations: str, base: Any = None) -> "Verdicts":
        __tracebackhide__ = True
        from labkit.runs.verdicts import verdicts

        found = verdicts(measured, *expectations, base=base)
        if not found:
            pytest.fail(repr(found))
        return found

    return expect_of


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Below a failure what its servers complained of: a handler that raises does so on another thread."""
    report = yield
    if report.failed:
        for server in item.stash.get(_SERVERS, []):
            if said := _complaints(server):
                report.sections.append((f"Socket.IO server at {server.url}", said))
    return report


def _complaints(server: "AppServer") -> str:
    """What a server complained of: each traceback once, with how often it came, and each line of its log once."""
    parts = [
        f"{count} times:\n{error}" if count > 1 else error for error, count in Counter(server.errors).most_common()
    ]
    told = {error.rstrip().rpartition("\n")[2] for error in server.errors}
    # A thread's line in the log says its name, and then what the last line of its traceback says.
    others = dict.fromkeys(line for line in server.log if line.partition(": ")[2] not in told)
    return "\n".join([*parts, *others])


def _url(server: Any) -> str:
    return server if isinstance(server, str) else str(server.url)


def _leave(client: Any) -> None:
    """Disconnect, and wait for the client's own threads; once more does no harm."""
    inner = getattr(client, "client", client)  # of a SimpleClient
    if inner is None:
        return
    tasks = [getattr(inner.eio, name, None) for name in ("write_loop_task", "read_loop_task")]
    client.disconnect()
    # Where the server has gone first, the writer may have missed its end, and would wait for 30 s.
    inner.eio.queue.put(None)
    for task in tasks:
        if task is not None:
            task.join(_STOP_S)


def _end_all(ends: list[Callable[[], object]]) -> None:
    """Call all of them, also where one raises; then raise the first of these errors."""
    errors = []
    for end in ends:
        try:
            end()
        except Exception as error:  # noqa: BLE001 (raised below, when all have ended)
            errors.append(error)
    if errors:
        raise errors[0]
