"""The app that ``labkit show`` puts around a strategy: one for each kind of server that a strategy may need."""

_WORK = '''

# --- an app around it: python app.py, then open a client on ws://127.0.0.1:5000 ---

{imports}


def complex_calculation(data):
    """Put your own work here."""
    time.sleep(0.1)
    return {{"id": data["id"], "result": data["payload"]}}


if __name__ == "__main__":
'''

_WORKERS = """    if "worker" in sys.argv:
        work(complex_calculation)
"""

_FLASK = """    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="{async_mode}", **OPTIONS)
    register(socketio, complex_calculation)
    socketio.run(app, port=int(os.environ.get("PORT", 5000)){unsafe})
"""

_ASGI = """    socketio = AsyncServer(async_mode="asgi", **OPTIONS)
    register(socketio, complex_calculation)
    uvicorn.run(ASGIApp(socketio), port=int(os.environ.get("PORT", 5000)))
"""

_PATCH = """from gevent import monkey

monkey.patch_all()  # before anything else is imported

"""


def around(source: str, modes: frozenset[str], *, has_workers: bool = False) -> str:
    """A complete app, for the first of these that the strategy can run in: threading, gevent, ASGI.

    Args:
        source: the strategy's.
        modes: in which it can run.
        has_workers: whether its other end runs in a process of its own.
    """
    if "threading" in modes:
        imports = "from flask import Flask\nfrom flask_socketio import SocketIO"
        before, main = "", _FLASK.format(async_mode="threading", unsafe=", allow_unsafe_werkzeug=True")
    elif "gevent" in modes:
        imports = "from flask import Flask\nfrom flask_socketio import SocketIO"
        before, main = _PATCH, _FLASK.format(async_mode="gevent", unsafe="")
    else:
        imports = "import uvicorn\nfrom socketio import ASGIApp, AsyncServer"
        before, main = "", _ASGI
    if has_workers:
        main = _WORKERS + main
    standard = "import time" if "\nimport os\n" in source else "import os\nimport time"
    standard = standard.replace("import time", "import sys\nimport time") if has_workers else standard
    return before + source.rstrip() + "\n" + _WORK.format(imports=f"{standard}\n\n{imports}") + main
