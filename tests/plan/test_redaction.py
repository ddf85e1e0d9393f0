"""Secrets are taken out by name and by form, the same secret becomes the same hash, and all else stays."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.plan.recording import Recorded
from labkit.plan.redaction import Redactor
from labkit.plan.replay import redacted, replay
from tests.support.recorded_traffic import har, sent, socket

SECRET = "correct-horse-battery"


def coded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = f"{coded({'alg': 'HS256', 'typ': 'JWT'})}.{coded({'sub': 'ann'})}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    ["password", "userPassword", "access_token", "X-Api-Key", "apiKey", "Authorization", "client-secret", "sessionId"],
)
def test_a_field_whose_name_says_so_is_hidden_wherever_it_stands(name):
    redactor = Redactor()
    told = redactor.value([{"a": {name: SECRET, "item": 7}}])
    assert told[0]["a"]["item"] == 7
    assert SECRET not in json.dumps(told)
    assert told[0]["a"][name].startswith("redacted-")
    assert sum(redactor.counts.values()) == 1


@pytest.mark.parametrize("name", ["item", "spin", "author", "compass", "passenger", "aside", "monkey"])
def test_other_fields_stay(name):
    redactor = Redactor()
    assert redactor.value({name: SECRET}) == {name: SECRET}
    assert not redactor.counts


def test_the_same_secret_has_the_same_hash_in_one_file_and_another_in_another():
    one, other = Redactor(), Redactor()
    first, again = one.value({"token": SECRET}), one.value({"password": SECRET})
    assert first["token"] == again["password"] != one.value({"token": "other"})["token"]
    assert first != other.value({"token": SECRET})


def test_a_jwt_keeps_its_head_in_a_field_and_in_a_text():
    redactor = Redactor()
    head = JWT.partition(".")[0]
    told = redactor.value({"token": JWT, "note": f"use {JWT}, please", "x": [JWT]})
    assert told["x"][0] == told["token"]
    assert told["token"].startswith(f"{head}.redacted-")
    assert told["note"] == f"use {told['token']}, please"
    assert redactor.counts == {"JWTs": 3}
    assert redactor.text("eyJub3.but.none") == "eyJub3.but.none"


def test_addresses_and_what_follows_bearer():
    redactor = Redactor()
    told = redactor.text("see https://ann:pw12345@h/x?token=abcdefgh&item=7 or https://h/?item=7")
    assert "abcdefgh" not in told
    assert "pw12345" not in told
    assert told.endswith("item=7 or https://h/?item=7")
    assert "abcdefgh12" not in redactor.text("Authorization: Bearer abcdefgh12")
    expected = {"in addresses named token": 1, "passwords of addresses": 1, "Authorization": 1}
    assert redactor.counts == expected


def test_what_is_no_secret_within_a_secret_field_stays_and_numbers_do_not():
    redactor = Redactor()
    told = redactor.value(
        {"token": None, "password": "", "session": {"open": True, "id": 4711}, "pins": 3, "pin": 1234}
    )
    assert (told["token"], told["password"], told["session"]["open"], told["pins"]) == (None, "", True, 3)
    assert told["session"]["id"].startswith("redacted-")
    assert told["pin"].startswith("redacted-")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4), st.sampled_from(["token", "IBAN", "My Field"]))
def test_no_secret_gets_through_and_names_can_be_added(secret, name):
    redactor = Redactor(["my-field"])
    found = redactor.event(Recorded(0, 0, "/", "login", ({"user": {name: "~" + secret + "~"}},), True))
    assert "~" + secret + "~" not in json.dumps(found.arguments, ensure_ascii=False)


def test_a_har_becomes_a_recording_without_secrets_that_is_replayed_as_the_har_is(tmp_path):
    login = json.dumps(["login", {"password": SECRET, "jwt": JWT, "data": {"_placeholder": True, "num": 0}}])
    frames = (
        sent(0, f'40{{"token":"{SECRET}"}}'),
        sent(0.5, f"451-3{login}"),
        sent(0.5, b"\x00\xff"),
        sent(1, '42["b"]'),
    )
    before = har(tmp_path / "a.har", socket(*frames, query=f"&token={SECRET}&sid=5eSS10n"))
    redactor = Redactor()
    written = redacted(before, tmp_path / "a.jsonl", redactor)
    text = (tmp_path / "a.jsonl").read_text()
    assert (SECRET in text, "5eSS10n" in text, JWT in text) == (False, False, False)
    assert (written.events, dict(written.left_out)) == (2, {})
    assert redactor.counts == {"fields named password": 1, "JWTs": 1, "connections' auth (not written)": 1}
    one, other = replay(before), replay(tmp_path / "a.jsonl")
    assert (other.names, other.asks, other.namespaces) == (one.names, one.asks, one.namespaces)
    assert other.intended_ns.tolist() == one.intended_ns.tolist()
    assert other.payloads[0][0]["data"] == one.payloads[0][0]["data"] == b"\x00\xff"
