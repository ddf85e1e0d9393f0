"""Connections while they live, and the last of those that have ended."""

from labkit.base.clock import NS_PER_S
from labkit.inside.connections import ENDED_KEPT, Connections


def test_a_connection_lives_and_ends():
    connections = Connections()
    live = connections.open("eio", "abcd", 10)
    live.let_into("/")
    live.let_into("/")
    assert connections.told()[0].namespaces == ("/",)
    connections.close("eio", "transport close", 20)
    (told,) = connections.told()
    assert (told.sid, told.closed_ns, told.reason) == ("abcd", 20, "transport close")
    assert connections.live == {}


def test_the_first_reason_is_the_one_that_is_told():
    connections = Connections()
    connections.open("eio", "abcd", 10).reason = "client disconnect"
    connections.close("eio", "transport close", 20)
    connections.close("eio", "transport close", 30)
    assert [(each.reason, each.closed_ns) for each in connections.told()] == [("client disconnect", 20)]


def test_hooks_of_one_that_ended_come_off_when_another_begins_later():
    connections = Connections()
    owner = type("Owner", (), {})()
    connections.open("a", "a", 0).placed.put(owner, "hook", 1)
    connections.close("a", "", NS_PER_S)
    connections.open("b", "b", 2 * NS_PER_S)
    assert vars(owner) == {"hook": 1}  # its writer may have packets left
    connections.open("c", "c", 20 * NS_PER_S)
    assert vars(owner) == {}
    assert [each.number for each in connections.told()] == [0, 1, 2]


def test_as_many_as_stated_are_remembered():
    connections = Connections()
    for number in range(ENDED_KEPT + 100):
        connections.open(str(number), "", number * 20 * NS_PER_S)
        connections.close(str(number), "", number * 20 * NS_PER_S)
    told = connections.told()
    assert len(told) == ENDED_KEPT + 1  # the last one has only just ended
    assert told[0].number == 99
    assert connections.seen == ENDED_KEPT + 100
