"""Faults of several servers: each happens here, and its remedy helps. Coarse: how much, depends on the machine."""

import pytest

from labkit.experiments import server_faults
from tests.support.helpers import nothing_left_behind
from tests.support.scaled import needs_servers


def happened(one):
    """Its fault and its remedy, once it has happened and helped."""
    assert one.happened, one
    assert one.helped, one
    return one.of("fault")[0], one.of("remedy")[0]


@pytest.mark.measured
@needs_servers
def test_without_sticky_sessions_those_who_poll_are_refused():
    with nothing_left_behind():
        fault, remedy = happened(server_faults.no_sticky_sessions(6))
    assert fault.lost == 6  # of two servers that take turns, the second request comes to the wrong one
    assert fault.told == "refused: 400 Invalid session"
    assert remedy.lost == 0


@pytest.mark.measured
@needs_servers
def test_whoever_reads_too_slowly_or_is_sent_too_much_is_cut_off():
    with nothing_left_behind(), server_faults.stage(2) as on:
        _, remedy = happened(server_faults.slow_subscriber(on=on))
        assert remedy.lost == 0
        assert remedy.told == "it hears what comes next"
        fault, remedy = happened(server_faults.large_event(12, "pubsub 1mb 0 0", free=False, on=on))
        assert "its own server only" in fault.told
        assert "and the other" in remedy.told
        assert remedy.lost == 0


@pytest.mark.measured
@needs_servers
def test_a_timeout_on_reading_makes_a_server_deaf():
    fault, remedy = happened(server_faults.socket_timeout(messages=6))
    assert remedy.lost == 0
    assert (fault.of, remedy.of) == (6, 3)


@pytest.mark.measured
@needs_servers
def test_while_a_redis_is_away_messages_are_dropped_or_kept():
    fault, remedy = happened(server_faults.publish_gives_up(1))
    assert fault.lost == fault.of
    assert remedy.lost == 0
