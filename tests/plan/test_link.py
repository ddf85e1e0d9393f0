"""What a network is called, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan.link import Link


@pytest.mark.parametrize(
    ("told", "link"),
    [
        (None, None),
        (Link(3), Link(3)),
        ("40ms", Link(40)),
        ("40ms,10ms", Link(40, 10)),
        ("40ms,10ms,2%", Link(40, 10, 0.02)),
        (" 0.15s , 2.5% ", Link(150, 0, 0.025)),
        ("1%", Link(0, 0, 0.01)),
    ],
)
def test_it_is_read_as_people_write_it(told, link):
    assert Link.of(told) == link


def test_a_text_takes_the_seed_that_stands_beside_it():
    assert Link.of("1ms", seed=7) == Link(1, seed=7)


@pytest.mark.parametrize(
    "told", ["", "40", "40ms,", "ms", "2%,40ms", "1ms,1ms,1ms", "1%,1%", "-1ms", "nanms", "9" * 400 + "ms", 40, b"40ms"]
)
def test_what_is_none_is_a_sentence_with_an_example(told):
    with pytest.raises(UsageError, match="40ms,10ms,2%") as error:
        Link.of(told)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"delay_ms": -1}, "0 to 60,000 ms one way"),
        ({"delay_ms": float("nan")}, "0 to 60,000 ms one way"),
        ({"delay_ms": "40"}, "delay_ms of a network is a number"),
        ({"delay_ms": 5, "jitter_ms": 6}, "nothing arrives before it was sent"),
        ({"loss": 2}, "0.02 is 2%"),
        ({"loss": True}, "loss of a network is a number"),
        ({"seed": 0.5}, "a whole number"),
    ],
)
def test_what_no_network_does_is_refused(wrong, told):
    with pytest.raises(UsageError, match=told):
        Link(**wrong)


def test_it_says_what_it_does_and_no_more():
    assert [str(Link(40)), str(Link(40, 10, 0.02))] == ["40 ms one way", "40 ± 10 ms one way, 2% loss"]


def test_a_segment_is_sent_again_after_a_round_trip_and_what_linux_waits_at_least():
    assert [Link(40, 10).retransmission_ms, Link(150, 150).retransmission_ms] == [280, 700]


links = st.builds(
    lambda delay_ms, share, loss, seed: Link(delay_ms, share * delay_ms, loss, seed),
    st.floats(0, 1000),
    st.floats(0, 1),
    st.floats(0, 0.5),
    st.integers(0, 99),
)


@given(links)
def test_it_comes_back_from_json(link):
    assert Link.from_dict({**link.to_dict(), "of a newer labkit": 1}) == link


def test_nothing_between_comes_back_as_nothing():
    assert Link.from_dict({}) is None
