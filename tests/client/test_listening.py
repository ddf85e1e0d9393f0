"""What a client does with what it hears: by hand, without a socket."""

import asyncio

import pytest

from labkit.base.errors import ConnectFailed
from labkit.client import packets
from labkit.client.listening import Listening
from labkit.runs.stages import Outcome

HEADER = b'452-["response",{"id":1,"result":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}]'


class Ear(Listening):
    """Says into a list."""

    def __init__(self, namespace):
        super().__init__(namespace)
        self.said, self.left = [], 0

    def say(self, text):
        self.said.append(text)

    def send(self, frame):
        return True

    def leave(self):
        self.left += 1

    def hang_up(self):
        self.left += 1

    def stop_reading(self):
        pass

    def read_on(self):
        pass


def ear(*texts, namespace="/"):
    """One that is greeted and has heard some text frames."""

    async def listen():
        one = Ear(namespace)
        for text in (b'0{"pingInterval":1000,"pingTimeout":500}', packets.CONNECT + one.place + b"{}", *texts):
            one.heed(5, text)
        return one

    return asyncio.run(listen())


def refused(*texts, namespace="/"):
    async def listen():
        one = Ear(namespace)
        for text in texts:
            one.heed(5, text)
        await one.ready

    with pytest.raises(ConnectFailed) as told:
        asyncio.run(listen())
    return str(told.value)


def test_a_server_of_socketio_2_is_told_apart():
    """It lets everybody in uninvited, and would drop a client that waits for its heartbeat."""
    assert "the server speaks Socket.IO 2" in refused(b'0{"sid":"x","pingInterval":1000,"pingTimeout":500}', b"40")


def test_it_greets_its_namespace_and_answers_heartbeats():
    one = ear(b"2", namespace="/desk")
    assert one.said == [b"40/desk,", b"3"]
    assert (one.greeted, one.told_ns, one.beats_ns) == (True, (10**9, 5 * 10**8), [5, 5])


def test_what_it_heard_is_told_once_and_as_on_the_root():
    one = ear(b'42/desk,["response",1]', b"43/desk,7[]", namespace="/desk")
    assert one.heard() == [(5, b'42["response",1]'), (5, b"437[]")]
    assert one.heard() == []


def test_it_owes_acknowledgements_to_what_asks_for_one():
    assert ear(b'42/desk,7["response",1]', namespace="/desk").said[-1] == b"43/desk,7[]"


def test_it_leaves_when_the_server_says_goodbye():
    assert (ear(b"41").left, ear(b"41/desk,", namespace="/desk").left) == (1, 1)


def test_bytes_are_joined_to_the_text_before_them_whatever_they_begin_with():
    one = ear(HEADER)
    assert not b"42[".startswith(one.usual)  # no frame is usual now: this one is an attachment
    one.attach(6, b"42[")
    one.heed(6, b"2")  # a heartbeat of Engine.IO is no packet of Socket.IO's, and cuts nothing
    assert one.frames == []
    one.attach(7, b"431[]")
    assert b"42[".startswith(one.usual)
    ((at_ns, frame),) = one.heard()
    assert (at_ns, packets.answers(frame)[0].result) == (7, [b"42[", b"431[]"])


def test_a_packet_that_is_cut_by_another_is_garbled_as_a_browser_finds_it():
    one = ear(HEADER)
    one.attach(6, b"one")
    one.heed(7, b'42["response",{"id":2,"result":0}]')
    one.attach(8, b"two")  # of nobody
    found = [packets.answers(frame)[0] for _, frame in one.heard()]
    assert [answer.status for answer in found] == [Outcome.GARBLED, Outcome.ANSWERED]
    assert b"42[".startswith(one.usual)


def test_a_namespace_that_lets_nobody_in_is_named():
    assert "namespace /desk" in refused(b"0{}", b'44/desk,"Unable to connect"', namespace="/desk")
    assert "refused the connection" in refused(b"0{}", b'44"no"')
