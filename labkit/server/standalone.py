"""What another interpreter executes to serve a reader's app in a mode: this one file, and the standard library.

labkit need not be installed there. The app is imported as it is, and what the mode needs is met from outside of it: an
``async_mode`` where the app names none, gevent's patches before the app is imported, gunicorn's worker and its threads.
What stands in the way is told as a sentence, in the same line in which it would be told what serves.

The servers are as ``socketio.run(app)``, ``gunicorn -k gthread`` and ``uvicorn`` start them, and tuned by nobody.

It ends when its standard input closes, so it never outlives who started it. Written for Pythons older than labkit's,
too.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

# All else is imported where it is used: what gevent patches is best not there before.

#: The line in which it is told what serves, or why nothing does, begins so.
TOLD = "labkit-standalone: "

#: How the app's handlers are to run, by mode.
ASYNC_MODES = {
    "threading": "threading",
    "gunicorn": "threading",
    "gevent": "gevent",
    "gevent-unpatched": "gevent",
    "asgi": "asgi",
}

#: What a mode needs: module and distribution.
NEEDS = {
    "threading": ("werkzeug", "werkzeug"),
    "gunicorn": ("gunicorn", "gunicorn"),
    "gevent": ("gevent", "gevent"),
    "gevent-unpatched": ("gevent", "gevent"),
    "asgi": ("uvicorn", "uvicorn"),
}

#: Distributions whose module has another name.
DISTRIBUTIONS = {
    "socketio": "python-socketio",
    "flask_socketio": "flask-socketio",
    "simple_websocket": "simple-websocket",
}

#: Whose versions are told.
LIBRARIES = (
    "flask",
    "flask-socketio",
    "gevent",
    "gevent-websocket",
    "greenlet",
    "gunicorn",
    "python-engineio",
    "python-socketio",
    "simple-websocket",
    "uvicorn",
    "websockets",
    "werkzeug",
)

#: Implementations that have a GIL wherever they do not say otherwise.
_WITH_A_GIL = ("CPython", "PyPy", "GraalVM")

#: What a handler waits with. One of them is enough: then threads, or what they wait for, are no longer the system's.
_WAITED_WITH = ("thread", "threading", "time", "socket", "select")

#: What serves an app, and is not to be called while it is imported: module, class, name.
_SERVERS = (("flask_socketio", "SocketIO", "run"), ("flask", "Flask", "run"))
_ASGI_SERVERS = (("uvicorn", "", "run"),)


class Refused(Exception):
    """The app cannot be served so; the sentence says why, and what to do."""


class Serving:
    """One app in one mode.

    Attributes:
        async_mode: what the app's handlers are to run as.
        servers: that were made while the app was imported.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self.named: str = asked["app"]
        self.mode: str = asked["mode"]
        self.port: int = asked["port"]
        self.threads: int = asked["threads"]
        self.async_mode = ASYNC_MODES[self.mode]
        self.servers: list[Any] = []

    def serve(self) -> None:
        """Serve, and do not return."""
        self.require_installed()
        {"threading": self._werkzeug, "gunicorn": self._gunicorn, "asgi": self._uvicorn}.get(self.mode, self._pywsgi)()

    def require_installed(self) -> None:
        """Refuse to go on where what the mode needs is lacking, or what every app does."""
        lacking = []
        socketio = "python-socketio" if self.mode == "asgi" else "flask-socketio"
        for module, distribution in (NEEDS[self.mode], ("engineio", socketio)):
            try:
                __import__(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
                lacking.append(distribution)
        if lacking:
            raise Refused(_install(lacking, f"mode {self.mode} and the app need"))

    def _werkzeug(self) -> None:
        from werkzeug.serving import run_simple

        app = self.load()
        tell(about(self))
        run_simple("127.0.0.1", self.port, app, threaded=True)

    def _pywsgi(self) -> None:
        from gevent import pywsgi

        app, given = self.load(), {}
        try:
            from geventwebsocket.handler import WebSocketHandler

            given["handler_class"] = WebSocketHandler
        except ImportError:
            pass  # simple-websocket serves
        server = pywsgi.WSGIServer(("127.0.0.1", self.port), app, log=None, **given)
        tell(about(self))
        server.serve_forever()

    def _uvicorn(self) -> None:
        import uvicorn

        app = self.load()
        tell(about(self))
        uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning")).run()

    def _gunicorn(self) -> None:
        from gunicorn.app.base import BaseApplication

        serving = self

        class Application(BaseApplication):  # type: ignore[misc]
            def load_config(self) -> None:
                settings = {
                    "bind": [f"127.0.0.1:{serving.port}"],
                    "worker_class": "gthread",
                    "workers": 1,
                    "threads": serving.threads,
                    "loglevel": "error",
                    "graceful_timeout": 1,
                    "control_socket_disable": True,
                    "post_worker_init": lambda worker: end_with_parent(),
                    # Never a second worker: who measures is to learn that the first has ended.
                    "child_exit": lambda arbiter, worker: os._exit(1),
                }
                for name, value in settings.items():
                    if name in self.cfg.settings:
                        self.cfg.set(name, value)

            def load(self) -> Any:
                return told(serving._loaded_by_worker)

        Application().run()

    def _loaded_by_worker(self) -> Any:
        app = self.load()
        tell(about(self))
        return app

    def load(self) -> Any:
        """The application to serve, of whatever kind the app is."""
        with_hooks = _Hooks(self)
        try:
            found = self._imported()
        finally:
            with_hooks.remove()
        return self._application(found)

    def _imported(self) -> Any:
        import importlib

        name, _, inside = self.named.partition(":")
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            lacking = error.name or ""
            if (name + ".").startswith(lacking + "."):
                raise Refused(f"there is no module {lacking} here: go to the folder that it is in") from None
            what = DISTRIBUTIONS.get(lacking, lacking.partition(".")[0])
            raise Refused(_install([what], f"{name} imports")) from None
        except SystemExit as error:
            raise Refused(
                f"importing {name} ended the process (exit code {error.code}): see its if __name__ == '__main__'"
            ) from None
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"importing {name} fails with {_words(error)}") from error
        by = _patched_by()
        if by and by != self.mode:
            how = ", or name mode gevent alone" if by == "gevent" else ""
            raise Refused(
                f"importing {name} patches threads ({by}), and mode {self.mode} would measure something else: put that "
                f"below if __name__ == '__main__'{how}"
            )
        for part in inside.split("."):
            if not hasattr(found, part):
                raise Refused(f"{name} has no {inside}: name the app or the SocketIO that is in it")
            found = getattr(found, part)
        return found

    def _application(self, found: Any) -> Any:
        import socketio

        flask_app = _flask_app(found)
        if self.mode == "asgi":
            if isinstance(found, socketio.AsyncServer):
                return socketio.ASGIApp(found)
            if any(server.is_asyncio_based() for server in self.servers) and callable(found) and flask_app is None:
                return found
            raise Refused(f"mode asgi serves an app with an AsyncServer, and {self.named} has none: leave asgi out")
        if isinstance(found, socketio.AsyncServer) or (self.servers and self.servers[0].is_asyncio_based()):
            raise Refused(f"{self.named} has an AsyncServer, which mode asgi serves, and no other")
        if flask_app is not None:
            if "socketio" not in flask_app.extensions:
                raise Refused("this Flask app has no Socket.IO server: call SocketIO(app)")
            return flask_app
        if isinstance(found, socketio.Server):
            return socketio.WSGIApp(found)
        if isinstance(found, socketio.WSGIApp):
            return found
        kind = "function" if callable(found) and not isinstance(found, type) else type(found).__name__
        raise Refused(
            f"{self.named} is a {kind}: name a Flask app, a SocketIO, a socketio.Server, or an app around one"
        )


class _Hooks:
    """While the app is imported: its servers get the mode's ``async_mode``, and nothing serves."""

    def __init__(self, serving: Serving) -> None:
        import engineio

        self._before: list[Any] = []
        for of in (engineio.Server, engineio.AsyncServer):
            self._replace(of, "__init__", self._made(serving, of.__init__))
        for module, of_class, name in _ASGI_SERVERS if serving.mode == "asgi" else _SERVERS:
            try:
                place = __import__(module)
            except ImportError:
                continue
            self._replace(getattr(place, of_class) if of_class else place, name, self._serves(serving.named))

    def _replace(self, place: Any, name: str, value: Any) -> None:
        self._before.append((place, name, getattr(place, name)))
        setattr(place, name, value)

    def _made(self, serving: Serving, before: Callable[..., Any]) -> Callable[..., Any]:
        def made(server: Any, *args: Any, **kwargs: Any) -> None:
            named = args[0] if args else kwargs.get("async_mode")
            is_asyncio = server.is_asyncio_based()
            if named is not None and is_asyncio == (serving.mode == "asgi") and named != serving.async_mode:
                raise Refused(
                    f"the app names async_mode={named!r}, and mode {serving.mode} takes {serving.async_mode!r}: leave "
                    "async_mode out of the app, and each mode has its own"
                )
            if not args and named is None and is_asyncio == (serving.mode == "asgi"):
                kwargs["async_mode"] = serving.async_mode
            serving.servers.append(server)
            before(server, *args, **kwargs)

        return made

    def _serves(self, named: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            module = named.partition(":")[0]
            raise Refused(f"importing {module} serves it: put what calls run() below if __name__ == '__main__'")

        return run

    def remove(self) -> None:
        for place, name, value in reversed(self._before):
            setattr(place, name, value)


def _flask_app(found: Any) -> Any | None:
    """The Flask app that something is, or has; None where it has none."""
    try:
        from flask import Flask
    except ImportError:
        return None
    if isinstance(found, Flask):
        return found
    try:
        from flask_socketio import SocketIO
    except ImportError:
        return None
    if not isinstance(found, SocketIO):
        return None
    middleware = getattr(found, "sockio_mw", None)
    if middleware is None:
        raise Refused("this SocketIO has no Flask app yet: call socketio.init_app(app) first")
    app: Any = middleware.flask_app
    return app


def about(serving: Serving) -> dict[str, Any]:
    """What serves, told when all of it is imported: an extension may have switched the GIL on."""
    made = [server.async_mode for server in serving.servers]
    return dict(interpreter(), mode=serving.mode, async_mode=made[0] if made else "", versions=versions())


def interpreter() -> dict[str, Any]:
    """Which Python this is. `gil` is None where nobody knows."""
    import platform
    import sysconfig

    implementation = platform.python_implementation()
    asked = getattr(sys, "_is_gil_enabled", None)
    has_gil = asked() if asked is not None else True if implementation in _WITH_A_GIL else None
    found = {
        "python": platform.python_version(),
        "implementation": implementation,
        "gil": has_gil,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }
    pypy = getattr(sys, "pypy_version_info", None)
    if pypy is not None:
        found["pypy"] = ".".join(map(str, pypy[:3]))
    return found


def versions() -> dict[str, str]:
    """Of the libraries that are installed here."""
    from importlib import metadata

    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _patched_by() -> str:
    """As :func:`labkit.base.patched.patched_by`, which is not there."""
    for by, module, asked in (
        ("gevent", "gevent.monkey", "is_module_patched"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched"),
    ):
        patcher = sys.modules.get(module)
        if patcher is not None and any(map(getattr(patcher, asked), _WAITED_WITH)):
            return by
    return ""


def _words(error: Exception) -> str:
    """What an error of the app says, and where it was raised."""
    import traceback

    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}, line {place.lineno})"


def _install(lacking: list[str], who: str) -> str:
    """What is lacking, by name."""
    are = "are" if len(lacking) > 1 else "is"
    return f"{' and '.join(lacking)} {are} lacking, which {who}: {sys.executable} -m pip install {' '.join(lacking)}"


def tell(said: dict[str, Any]) -> None:
    """Leave word for who started this, in one line, whatever stands in it before."""
    sys.stderr.flush()
    os.write(2, ("\n" + TOLD + json.dumps(said) + "\n").encode("utf-8"))


def told(do: Callable[[], Any]) -> Any:
    """What it returns. What stands in the way is told, and this process ends."""
    try:
        return do()
    except Refused as refusal:
        tell({"problem": str(refusal)})
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:  # noqa: BLE001 (told to the parent)
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


def end_with_parent() -> None:
    """End this process when its standard input closes, whatever it does then; on a thread of the system's."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    _start_thread(wait, ())


_start_thread = _thread.start_new_thread  # as it was before gevent has patched it


def main() -> None:
    """Serve what the one argument asks for, as JSON."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = os.getcwd()
    own = [path for path in (folder, os.path.join(folder, "src")) if os.path.isdir(path)]
    sys.path[:] = own + [path for path in sys.path if os.path.abspath(path) != here]  # what lies here is labkit's
    serving = Serving(json.loads(sys.argv[1]))
    sys.argv[:] = [serving.named.partition(":")[0]]
    if serving.mode != "gunicorn":  # its worker does
        end_with_parent()
    told(lambda: _serve(serving))
    os._exit(0)


def _serve(serving: Serving) -> None:
    if serving.mode == "gevent":
        try:
            from gevent import monkey
        except ModuleNotFoundError:
            pass  # told as what is lacking
        else:
            monkey.patch_all()
    serving.serve()


if __name__ == "__main__":
    main()
