"""Whose line it is, and for whom a thread runs there."""

import json
import sys
import textwrap
import threading

import flask
import flask_socketio
import pytest
from flask import Flask
from flask_socketio import SocketIO

import labkit
from labkit.inside.places import EVENT, LIBRARY, PLACES_KEPT, ROUTE, TASK, UNNAMED, Place, Places, is_own
from labkit.inside.seeing import Seeing

HERE = "tests/inside/test_places.py"


@pytest.fixture
def places():
    return Places(Seeing(events=8))


def line():
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize("module", [json, threading, flask, flask_socketio, labkit])
def test_files_of_others_are_not_the_reader_s(module):
    assert not is_own(module.__file__)


def test_files_of_the_reader_and_what_has_no_file():
    assert is_own(__file__)
    assert is_own("<ipython-input-1-abc>")
    assert not is_own("<frozen importlib._bootstrap>")
    assert not is_own("<string>")


def test_the_line_is_the_innermost_of_the_reader_s(places):
    seen = []

    # Through the standard library and back: sorted() has no frame, textwrap has.
    def build():
        textwrap.fill("a b", width=Width(places, seen))

    build()
    assert seen[0] == Place(
        *(TASK, "test_the_line_is_the_innermost_of_the_reader_s", HERE, Width.line, "Width.__le__"),
        *("tests.inside.test_places", "test_the_line_is_the_innermost_of_the_reader_s"),
    )


class Width(int):
    """A number that looks at the stack when textwrap compares it."""

    line = 0

    def __new__(cls, places, seen):
        self = super().__new__(cls, 70)
        self.places, self.seen = places, seen
        return self

    def __le__(self, other):
        self.seen.append(self.places.read(sys._getframe()).place)
        Width.line = line() - 1
        return False


def test_a_comprehension_is_a_part_of_its_function(places):
    def build():
        return [places.read(sys._getframe()).place for _ in range(1)] + [
            next(places.read(sys._getframe()).place for _ in range(1))
        ]

    assert {place.function for place in build()} == {"test_a_comprehension_is_a_part_of_its_function.build"}


def test_where_no_line_is_the_reader_s(places):
    """A thread that waits in the standard library; its stack is that alone."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        while not (frame := sys._current_frames().get(thread.ident)):
            pass
        place = places.read(frame).place
        assert (place.kind, place.file) == (LIBRARY, "threading.py")
    finally:
        end.set()
        thread.join()
    assert places.read(None).place is UNNAMED


def test_a_route_and_an_event_are_told_by_the_frames_around():
    app = Flask("places")
    socketio = SocketIO(app, async_mode="threading")
    inside = labkit.instrument(socketio)
    places, seen = Places(inside._seeing), []

    @app.get("/report/<int:number>")
    def report(number):
        seen.append(places.read(sys._getframe()))
        return "done"

    @socketio.on("export")
    def export(data):
        seen.append(places.read(sys._getframe()))

    @socketio.on("connect")
    def connect(auth=None):
        seen.append(places.read(sys._getframe()))

    assert app.test_client().get("/report/7").text == "done"
    client = socketio.test_client(app)
    client.emit("export", 1)
    inside.detach()
    assert [(stand.place.kind, stand.place.name) for stand in seen] == [
        (ROUTE, "/report/<int:number>"),
        (EVENT, "connect"),
        (EVENT, "export"),
    ]
    assert [stand.event is None for stand in seen] == [True, False, False]
    assert seen[2].place.function.endswith("export")
    record = inside.record()
    assert record.name_of(seen[2].event.number) == "export"


def test_the_program_itself(places):
    source = "import sys\nfound = read(sys._getframe())\n"
    names = {"read": lambda frame: places.read(frame).place, "__name__": "__main__"}
    exec(compile(source, "/somewhere/else/app.py", "exec"), names)
    assert (names["found"].file, names["found"].line, names["found"].module) == ("else/app.py", 2, "app")


def test_the_table_of_places_ends(places):
    indices = [places.index(Place(TASK, str(number))) for number in range(PLACES_KEPT + 10)]
    assert len(places.met) == PLACES_KEPT
    assert len(set(indices[-11:])) == 1
    assert places.met[indices[-1]].name == "_other"
    assert places.index(Place(TASK, "3")) == indices[3]
