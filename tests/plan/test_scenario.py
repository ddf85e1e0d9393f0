"""What clients do first: a list of steps, a file of TOML, or a sentence that says which step makes no sense."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan import scenario
from labkit.plan.scenario import Step

JOIN = """
[[step]]
emit = "join"
data = {room = "lobby", who = "{client}"}
wait = "ack"

[[step]]
wait = 0.5

[[step]]
wait = "joined"
"""


def test_a_file_of_toml_has_steps(tmp_path):
    (tmp_path / "join.toml").write_text(JOIN)
    assert scenario.of(str(tmp_path / "join.toml")) == (
        Step("join", {"room": "lobby", "who": "{client}"}, "ack"),
        Step(wait=0.5),
        Step(wait="joined"),
    )


def test_a_list_or_what_returns_one_has_steps():
    given_ = [{"emit": "join", "wait": "joined"}, Step(wait=1)]
    assert scenario.of(given_) == scenario.of(lambda: given_) == (Step("join", wait="joined"), Step(wait=1))
    assert scenario.of(None) == ()


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ([{"emits": "join"}], "step 1 of the scenario has emit, data and wait"),
        ([{"wait": 1}, {}], "step 2 of the scenario has emit, data and wait"),
        ([3], "step 1 of the scenario has"),
        ([{"emit": ""}], "no name of an event"),
        ([{"emit": 3}], "no name of an event"),
        ([{"data": 1, "wait": 1}], "emits nothing: give emit"),
        ([{"wait": "ack"}], "emits nothing: give emit"),
        ([{"emit": "a", "wait": True}], "waits for True"),
        ([{"emit": "a", "wait": -1}], "waits for -1"),
        ([{"emit": "a", "wait": ""}], "waits for ''"),
        ([{"emit": "a", "data": {1, 2}}], "cannot be sent as JSON"),
        ({"emit": "a"}, "a list of steps or a file of TOML"),
        ("nowhere.toml", "nowhere.toml cannot be read"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(given_, told):
    with pytest.raises(UsageError, match=told):
        scenario.of(given_)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("emit = ", "is no TOML"),
        ("a = 1", "has steps and nothing else"),
        ("[[step]]\nemit = 'a'\ndata = 1979-05-27", "JSON"),
    ],
)
def test_a_file_that_holds_something_else_is_a_sentence(tmp_path, text, told):
    (tmp_path / "join.toml").write_text(text)
    with pytest.raises(UsageError, match=told):
        scenario.of(tmp_path / "join.toml")


@given(st.text())
def test_any_text_in_the_file_is_steps_or_a_sentence(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(UsageError):
        scenario.of(file)
