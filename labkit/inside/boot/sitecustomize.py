"""What every Python below ``labkit run`` runs as it starts: it waits for a Socket.IO server to be made.

Nothing is imported here that was not there already, and nothing is left that an app could trip over: a module more
(``ssl``, say, which wrapt's import hooks bring along) would be one that gevent then patches too late. labkit itself is
loaded when the first server is made, from where the command's own labkit lies: so the app may have another environment.

Written for Pythons older than labkit's too, which are told apart only when they make a server.
"""

import _thread
import os
import sys
import time


def _give_way():
    """Off the import path, and on to the environment's own ``sitecustomize``, where it has one."""
    here = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != here]
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401 (another one)
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = ours


class _Finder:
    """Calls `then` with a module as soon as it is imported, and is gone."""

    def __init__(self, name, then):
        self.name = name
        self.then = then

    def find_spec(self, name, path=None, target=None):
        """The spec that the others find, with a loader that tells when it has loaded."""
        if name != self.name or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._tell(spec.loader)
                return spec
        return None

    def _tell(self, loader):
        load = loader.exec_module

        def exec_module(module):
            del loader.exec_module
            load(module)
            self.then(module)

        loader.exec_module = exec_module


def _hook(base_server):
    """See to it that whoever makes a ``socketio.Server`` or an ``AsyncServer`` has it looked into."""
    _hook_class(base_server.BaseServer)


def _hook_old(package):
    """The same of a version that has no ``base_server``: it cannot be looked into, and that is told."""
    server = getattr(package, "Server", None)
    if "socketio.base_server" not in sys.modules and isinstance(server, type):
        sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "then", None) is not _hook]
        _hook_class(server)


def _hook_class(kind):
    make = kind.__init__

    def __init__(self, *args, **kwargs):  # noqa: N807 (it takes the place of one)
        make(self, *args, **kwargs)
        _made(self)

    __init__.__wrapped__ = make
    __init__.__doc__ = make.__doc__
    __init__.__qualname__ = make.__qualname__
    __init__.__module__ = make.__module__
    kind.__init__ = __init__


def _made(server):
    try:
        _labkit()
        from labkit.inside import launched

        launched.made(server, _TOLD, _START, _SLEEP)
    except Exception as error:  # noqa: BLE001 (whatever it is, the app goes on)
        _say(error)


def _labkit():
    """The command's labkit, whatever the app's environment has."""
    if sys.version_info < (3, 11):
        raise RuntimeError("Python %d.%d is too old, labkit needs 3.11" % sys.version_info[:2])
    if "labkit" in sys.modules:
        return
    import importlib.util
    import json

    package = json.loads(_TOLD)["package"]
    spec = importlib.util.spec_from_file_location(
        "labkit", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    module = sys.modules["labkit"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _say(error):
    """Leave word for the command; the app's own output stays as it is."""
    import json

    try:
        path = os.path.join(json.loads(_TOLD)["folder"], "failed-%d.json" % os.getpid())
        with open(path, "w") as file:
            json.dump({"python": sys.executable, "error": "%s: %s" % (type(error).__name__, error)}, file)
    except OSError:
        pass


#: As JSON: folder, package, events, payloads.
_TOLD = os.environ.get("LABKIT_RUN")
#: As they are before anybody patches them: of real threads.
_START, _SLEEP = _thread.start_new_thread, time.sleep

_give_way()
if _TOLD:
    sys.meta_path[:0] = [_Finder("socketio.base_server", _hook), _Finder("socketio", _hook_old)]
