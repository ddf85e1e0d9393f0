"""How a notebook shows what looks into a server."""

import socketio

import labkit


def test_an_inside_shows_its_record_and_who_waited_only_where_that_was_watched():
    server = socketio.Server(async_mode="threading")
    with labkit.instrument(server) as inside:
        assert inside._repr_html_() == "<p>No client has sent an event.</p>"
    with labkit.instrument(socketio.Server(async_mode="threading"), blame=True) as inside:
        shown = inside._repr_html_()
    assert shown.startswith("<p>Nothing ")
    assert shown.endswith("<p>No client has sent an event.</p>")
