"""What is read of a HAR of Chrome or Playwright, and what is said of one that holds nothing to replay."""

import json
import re
import tracemalloc
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan import har as hars
from labkit.plan.replay import Replay, replay
from tests.support.recorded_traffic import BEGAN_S, har, post, received, sent, socket


def read(path):
    left_out = Counter()
    found = hars.Har(path, left_out)
    return list(found.events()), left_out, found


def test_the_events_of_chrome_with_acks_namespaces_and_attachments(tmp_path):
    frames = (
        received(0, '0{"sid":"x"}'),
        sent(0.1, "40"),
        sent(0.1, '40/desk,{"token":"t"}'),
        sent(0.2, '427["price",{"item":1},"two"]'),
        sent(0.3, '42/desk,["note"]'),
        sent(0.4, '452-/desk,8["file",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]'),
        sent(0.4, b"\x00\xff"),
        sent(0.4, b"second"),
        sent(0.5, "3"),
    )
    events, left_out, found = read(har(tmp_path / "a.har", socket(*frames)))
    assert [(e.namespace, e.event, e.arguments, e.ack) for e in events] == [
        ("/", "price", ({"item": 1}, "two"), True),
        ("/desk", "note", (), False),
        ("/desk", "file", (b"second", b"\x00\xff"), True),
    ]
    assert [round(e.time_s - BEGAN_S, 3) for e in events] == [0.2, 0.3, 0.4]
    assert (left_out, found.late, found.auths) == ({}, 0, 1)


def test_playwrights_milliseconds_are_chromes_seconds_and_minus_1_is_no_time(tmp_path):
    frames = [sent(0, "40"), sent(0.25, '42["a"]'), {**sent(0, '42["b"]'), "time": -1}]
    frames[1]["time"] *= 1000
    events, _, _ = read(har(tmp_path / "a.har", socket(*frames), creator="Playwright"))
    assert [None if e.time_s is None else round(e.time_s - BEGAN_S, 3) for e in events] == [0.25, None]


def test_what_was_polled_before_the_upgrade_is_of_the_same_connection(tmp_path):
    polled = post("2023-11-14T22:13:20.500Z", '40\x1e42["a"]\x1e451-1["b",{"_placeholder":true,"num":0}]\x1ebAP8=')
    upgraded = socket(sent(2, "2probe"), sent(2, "5"), sent(3, '42["c"]'), query="&sid=S1")
    other = post("2023-11-14T22:13:21Z", '42["d"]', sid="S2")
    events, left_out, found = read(har(tmp_path / "a.har", polled, upgraded, other))
    assert [(e.event, e.connection, e.time_s - BEGAN_S, e.ack) for e in events] == [
        ("a", 0, 0.5, False),
        ("b", 0, 0.5, True),
        ("c", 0, 3, False),
        ("d", 1, 1, False),
    ]
    assert events[1].arguments == (b"\x00\xff",)
    assert found.late == 1  # S2 had connected before
    assert not left_out


def test_what_cannot_be_replayed_is_counted_by_kind(tmp_path):
    frames = (
        sent(0, '42["whole"]'),
        sent(0, '42["cut'),
        sent(0, '451-["waits",{"_placeholder":true,"num":0}]'),
        sent(0, '42["whole"]'),
        sent(0, b"nobody's"),
        sent(0, "431[]"),
        sent(0, "41"),
        received(0, '42["news"]'),
        received(0, "430[]"),
        {"type": "error", "data": "gone"},
    )
    other = socket(sent(0, "ping"), received(0, "pong"), url="ws://127.0.0.1/hot-reload")
    events, left_out, found = read(har(tmp_path / "a.har", socket(*frames), other))
    assert [e.event for e in events] == ["whole"] * 2
    expected = {hars.DAMAGED: 3, hars.CLIENT_ACKS: 1, hars.GOODBYES: 1, hars.SERVERS: 1}
    assert left_out == expected | {hars.SERVER_ACKS: 1, hars.OTHERS: 2}
    assert found.late == 1


def test_frames_that_playwright_attached_are_read_from_beside_the_har_and_nowhere_else(tmp_path):
    lines = "\n".join(map(json.dumps, (sent(0, "40"), sent(1, '42["a"]'))))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "f.jsonl").write_text(lines + '\n{"cut')
    (tmp_path / "outer.jsonl").write_text(lines)
    entries = [socket() for _ in range(3)]
    for entry, name in zip(entries, ("f.jsonl", "../outer.jsonl", "gone.jsonl"), strict=True):
        del entry["_webSocketMessages"]
        entry["response"]["content"]["_file"] = name
    events, left_out, _ = read(har(tmp_path / "inner" / "a.har", *entries))
    assert [e.event for e in events] == ["a"]
    assert left_out == {hars.DAMAGED: 1, hars.GONE: 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"log": {"creator": {"name": "Firefox"}, "entries": []}}', "is of Firefox"),
        ('{"log": {"creator": {"name": "WebInspector"}, "entries": [{"request": {"url": "x"}}]}}', "has no frames"),
        ('{"log": {"entries": [{"_webSocketMessages": [{"type": "se', "is cut short or no JSON"),
        ("{}", "has no frames"),
        ("", "is no recording"),
        ("what is this?", "is no recording"),
        ("PK\x03\x04", "is packed"),
    ],
)
def test_a_file_without_anything_to_replay_is_told_by_a_sentence(tmp_path, text, said):
    (tmp_path / "a.har").write_text(text)
    with pytest.raises(UsageError, match=said):
        replay(tmp_path / "a.har")


def test_a_har_without_times_is_told_by_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="1 events and no time of any"):
        replay(har(tmp_path / "a.har", socket({**sent(0, '42["a"]'), "time": -1})))


def replayed(path):
    """The replay, or the sentence that says why there is none."""
    try:
        return replay(path)
    except UsageError as error:
        return str(error)


def whole(tmp_path):
    frames = (sent(0, "40"), sent(0.1, '427["a",{"x":1}]'), sent(0.2, '451-["b",{"_placeholder":true,"num":0}]'))
    polled = post("2023-11-14T22:13:20Z", '40\x1e42["p"]')
    return har(tmp_path / "whole.har", polled, socket(*frames, sent(0.2, b"\x01"))).read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_gives_a_replay_or_a_sentence(tmp_path, data):
    text = whole(tmp_path)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.sampled_from([begin, len(text), data.draw(st.integers(begin, len(text)))]))
    (tmp_path / "a.har").write_bytes(text[:begin] + data.draw(st.binary(max_size=6)) + text[end:])
    found = replayed(tmp_path / "a.har")
    assert isinstance(found, Replay) or str(tmp_path) in found


#: As JSON may have them where a string or a number is meant.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(("time", "opcode", "data"), ANYTHING)), max_size=4), ANYTHING)
def test_frames_of_any_shape_give_a_replay_or_a_sentence(tmp_path, frames, odd):
    frames = [{"type": "send", **frame} for frame in frames]
    texts = [sent(0, f"42{json.dumps(odd)}"), sent(0, f"451-{json.dumps(odd)}"), sent(0, f"42/x?y,[{json.dumps(odd)}]")]
    found = replayed(har(tmp_path / "a.har", socket(*frames, *texts, sent(0, '42["a"]'))))
    if isinstance(found, Replay):
        assert "a" in found.names
    else:  # NaN and the infinities, or a time that is far off
        assert re.search("cut short or no JSON|days apart", found)


def test_a_large_har_is_read_in_bounded_memory(tmp_path):
    news = json.dumps(received(0, '42["news","' + "y" * 900 + '"]'))
    body, frames, own = "x" * 20_000, ",".join([news] * 2_000), json.dumps(sent(1, '42["a"]'))
    entry = json.dumps({"request": {"method": "GET", "url": "x"}, "response": {"content": {"text": body}}})
    with (tmp_path / "a.har").open("w") as file:
        file.write('{"log": {"entries": [' + ",".join([entry] * 400))
        file.write(f', {{"_webSocketMessages": [{frames}, {own}]}}]}}}}')
    size = (tmp_path / "a.har").stat().st_size
    assert size > 8_000_000
    del frames
    tracemalloc.start()
    try:
        found = replay(tmp_path / "a.har")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.names == ("a",)
    assert found.left_out == {hars.SERVERS: 2_000}
    assert peak < size / 8
