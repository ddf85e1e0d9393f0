"""What is told before the first event: what is too large, and what no page can read."""

import math

import psutil
import pytest

import labkit as lab
from labkit.base.errors import TooMuchMemory
from labkit.client.connection import MAX_FRAME_BYTES
from labkit.experiments import foreseen as tested
from labkit.experiments.foreseen import foreseen, frame_bytes, too_large, unreadable
from labkit.experiments.settings import require_memory
from labkit.plan.calibration import Expected, expect

LIMIT = 1_000_000


def expected(*payloads, answers=None):
    answers = payloads if answers is None else tuple(answers)
    return Expected(payloads, answers, True, (1.0,) * len(payloads), (1.0,) * len(payloads))


def test_events_and_answers_of_usual_size_are_nothing_to_tell():
    assert foreseen(expected(1, "text", {"a": [1.5]}, None), "threading", [{}]) == ()


def test_events_above_the_limit_are_counted_and_name_the_setting_and_what_raises_it():
    (sentence,) = too_large(expected("x" * LIMIT, "x", "x" * LIMIT), "threading", {})
    assert sentence.startswith("2 of 3 events are larger than the server takes")
    assert "max_http_buffer_size is 1,000,000" in sentence
    largest = int(sentence.partition('"max_http_buffer_size": ')[2].partition("}")[0])
    assert too_large(expected("x" * LIMIT), "threading", {"max_http_buffer_size": largest}) == ()


def test_the_limit_is_of_the_whole_frame():
    frame = len('42["message",{"id":1,"payload":""}]')
    assert too_large(expected("x" * (LIMIT - frame)), "threading", {}) == ()
    assert len(too_large(expected("x" * (LIMIT - frame + 1)), "threading", {})) == 1


def test_a_limit_that_is_very_low_is_looked_at_for_small_events_too():
    assert len(too_large(expected(1, 2), "threading", {"max_http_buffer_size": 10})) == 1


def test_another_mode_may_have_a_limit_of_its_own():
    options = {"max_http_buffer_size": 10**9}
    big = expected("x" * (17 * 2**20), answers=[None])
    assert too_large(big, "gevent", options) == ()
    (sentence,) = too_large(big, "asgi", options)
    assert "ws_max_size is 16,777,216" in sentence


def test_answers_that_the_client_does_not_take_are_told(monkeypatch):
    monkeypatch.setattr(tested, "MAX_FRAME_BYTES", 5_000)
    (sentence,) = too_large(expected(1, 2, answers=["x" * 6_000, "x"]), "threading", {})
    assert sentence.startswith("1 of 2 answers are larger than labkit's client takes")
    assert MAX_FRAME_BYTES > 10 * LIMIT


def test_what_all_events_come_to_is_every_one_of_them():
    big = "x" * 10_000
    assert 30_000 < frame_bytes(expected(big, big, "small", {"deep": [big]})) < 30_300


def test_events_that_no_client_could_keep_encoded_are_refused():
    plan, free = lab.burst(1000), psutil.virtual_memory().total
    require_memory(plan, frame_bytes=1_000)
    with pytest.raises(TooMuchMemory, match=r"1,000 events need about .* GB and .* GB are free: fire fewer"):
        require_memory(plan, frame_bytes=free)


def test_servers_that_share_a_limit_are_told_of_once():
    big = expected("x" * LIMIT)
    assert len(foreseen(big, "threading", [{}, {}, {"max_http_buffer_size": 2 * LIMIT}])) == 1


def test_work_that_answers_nan_is_told_with_a_payload():
    found = expect(lab.call(lambda n: {"mean": math.nan if n == 1 else 0.5}, payloads=[0, 1]), 4)
    assert found.checked
    (sentence,) = unreadable(found)
    assert sentence.startswith("2 of 4 events will be answered in vain, such as that with 1: no page can read it: NaN ")


def test_answers_that_are_not_known_are_nothing_to_tell():
    assert unreadable(expected(1, 2, answers=[None, None])) == ()
