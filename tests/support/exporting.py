"""An app whose doings are exported: some kinds of events, and a client that sends them."""

import contextlib

from flask_socketio import Namespace, emit

import labkit
from tests.support.helpers import RawClient, make_server, wait_until


def register(socketio, complex_calculation):
    @socketio.on("echo")
    def echo(number):
        emit("echoed", number, broadcast=True)
        return number

    @socketio.on("broken")
    def broken():
        raise KeyError("secret-payload")

    @socketio.on("*")
    def anything(name, *arguments):
        return name

    class Rooms(Namespace):
        def on_enter(self, room):
            return room

    socketio.on_namespace(Rooms("/rooms"))


@contextlib.contextmanager
def exporting(**options):
    """Within the block, the server's `Inside`, after the client has sent its events; and the client."""
    server = make_server(register, instrumented=False)
    server.start()
    try:
        with labkit.instrument(server.socketio) as inside:
            inside.export(**options)
            with RawClient(server.port) as client:
                for number in range(3):
                    client.send(f'42{number}["echo",{number}]')
                    assert {client.receive(), client.receive()} == {f'42["echoed",{number}]', f"43{number}[{number}]"}
                client.send('42["broken"]')
                assert client.ask('427["made-up-by-a-client"]') == '437["made-up-by-a-client"]'
                client.send('40/rooms,{"token":"secret-token"}')
                assert client.receive().startswith("40/rooms,")
                assert client.ask('42/rooms,8["enter","secret-room"]') == '43/rooms,8["secret-room"]'
                assert wait_until(lambda: _are_over(inside.record().events))
                yield inside, client
    finally:
        server.stop()


def _are_over(events):
    return len(events["number"]) >= 6 and all(events["handler_end"]) and all(events["loop_free"])
