"""What Prometheus is told: exact where rows are made by hand, and by a server that serves."""

import pytest

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.inside.exported import Allowed
from labkit.inside.seeing import Seeing
from tests.support.exporting import exporting
from tests.support.fake_clock import FakeClock
from tests.support.helpers import no_thread_dies

pytest.importorskip("prometheus_client", reason="exports need prometheus-client: pip install 'labkit[export]'")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from labkit.inside.prometheus import Collector


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


def samples(registry):
    """What is told, as its own parser reads it: by name and labels."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def seeing():
    return Seeing(events=64, now=FakeClock(start_ns=1_000 * NS_PER_MS))


@pytest.fixture
def registry():
    return CollectorRegistry()


def event(seeing, name, wait_ms=0.0, ms=0.0, live=None, end=True):
    event = seeing.arrived(live, "/", [name])
    seeing.now.advance(ms=wait_ms)
    seeing.begin(event, cpu=False)
    seeing.now.advance(ms=ms)
    if end:
        seeing.end(event)
    return event


def test_durations_by_name(seeing, registry):
    Collector(seeing, [], ["chat"], registry=registry).start()
    for ms in (0.5, 3, 3, 700, 20_000):
        event(seeing, "chat", wait_ms=30, ms=ms)
    event(seeing, "made up", ms=2)
    event(seeing, "and another", ms=2)
    told = samples(registry)
    name = "messaging_process_duration_seconds"
    buckets = {bound: told[f"{name}_bucket", bound, "chat"] for bound in ("0.001", "0.0025", "0.005", "0.5", "1.0")}
    assert buckets == {"0.001": 1, "0.0025": 1, "0.005": 3, "0.5": 3, "1.0": 4}
    assert told[f"{name}_bucket", "+Inf", "chat"] == told[f"{name}_count", "chat"] == 5
    assert told[f"{name}_sum", "chat"] == pytest.approx(20.7065)
    assert told[f"{name}_count", "_other"] == 2
    assert told["labkit_socketio_queue_duration_seconds_sum", "chat"] == pytest.approx(0.15)
    assert told["messaging_client_consumed_messages_total", "chat"] == 5
    assert samples(registry) == told


def test_what_came_since_is_added_once(seeing, registry):
    Collector(seeing, [], ["chat", "said"], registry=registry).start()
    live = seeing.connections.open("sid", "hash", 0)
    for _ in range(2):
        for _ in range(3):
            done = event(seeing, "chat", ms=4, live=live)
            seeing.raised(done, KeyError())
            seeing.free(live, {}, "sid")
            seeing.emit_ends(seeing.emit_begins("said", "/", done))
            seeing.emit_ends(seeing.emit_begins("room-4711", "/", done))
        told = samples(registry)
    assert told["messaging_client_sent_messages_total", "said"] == 6
    assert told["messaging_client_sent_messages_total", "_other"] == 6
    assert told["messaging_process_errors_total", "KeyError", "chat"] == 6
    assert told["labkit_socketio_receive_loop_hold_seconds_count", "chat"] == 6
    assert told["labkit_socketio_receive_loop_hold_seconds_sum", "chat"] == pytest.approx(0.024)


def test_in_flight_until_it_ends(seeing, registry):
    Collector(seeing, [], ["chat"], registry=registry).start()
    runs = event(seeing, "chat", end=False)
    assert samples(registry)["labkit_socketio_in_flight", "chat"] == 1
    seeing.end(runs)
    assert samples(registry)["labkit_socketio_in_flight", "chat"] == 0


def test_connections(seeing, registry):
    Collector(seeing, [], registry=registry).start()
    for number, transport in enumerate(("polling", "websocket", "websocket")):
        live = seeing.connections.open(f"sid{number}", "hash", 0)
        live.opened_ns, live.first_transport, live.websocket = seeing.now(), transport, transport == "websocket"
    live.headroom_ns = 19_500 * NS_PER_MS
    told = samples(registry)
    assert told["socketio_server_active_connections", "polling"] == 1
    assert told["socketio_server_active_connections", "websocket"] == 2
    assert told["labkit_socketio_heartbeat_headroom_seconds",] == 19.5
    seeing.now.advance(ms=2_000)
    seeing.connections.close("sid1", "bye", seeing.now())
    for _ in range(2):
        told = samples(registry)
        assert told["socketio_server_connection_duration_seconds_sum", "websocket"] == 2
        assert told["socketio_server_active_connections", "websocket"] == 1


def test_a_registry_takes_one_server(seeing, registry):
    collector = Collector(seeing, [], registry=registry)
    collector.start()
    with pytest.raises(UsageError, match="give each server a registry of its own"):
        Collector(seeing, [], registry=registry).start()
    collector.stop()
    assert generate_latest(registry) == b""
    Collector(seeing, [], registry=registry).start()


@pytest.mark.measured
def test_a_server(registry):
    with exporting(prometheus=True, registry=registry) as (_, client):
        text = generate_latest(registry).decode()
        told = samples(registry)
    assert told["messaging_client_consumed_messages_total", "echo"] == 3
    assert told["messaging_client_consumed_messages_total", "enter"] == 1
    assert told["messaging_client_consumed_messages_total", "_other"] == 1
    assert told["messaging_process_errors_total", "KeyError", "broken"] == 1
    assert told["socketio_server_active_connections", "websocket"] == 1
    for secret in ("secret", client.sid, "made-up-by-a-client"):
        assert secret not in text
    assert generate_latest(registry) == b""


# Names


def test_a_list_is_a_list():
    allowed = Allowed([], ["chat"])
    assert [allowed.label(name) for name in ("chat", "export", None, ["chat"])] == [
        "chat",
        "_other",
        "_other",
        "_other",
    ]
