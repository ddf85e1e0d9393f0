"""What is said of a URL is checked before anything is connected."""

import pytest

import labkit as lab
from labkit.base.errors import UsageError


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"respnse": "x"}, "there is no setting 'respnse': response?"),
        ({"response": ""}, "response is 'ack'"),
        ({"match": "id"}, "give response=EVENT beside it"),
        ({"response": "a", "match": "id"}, "6 of 7|7 of 7 events have none of their own"),
        ({"response": "a", "match": "id", "payload": {"id": 1}}, "have none of their own"),
        ({"response": "a", "fan_out": True}, "told apart by a field"),
        ({"payload": {1, 2}}, "cannot be sent as JSON"),
        ({"payload": 1, "payloads": [1]}, "give one of them"),
        ({"payloads": "abc"}, "payloads is a list"),
        ({"payloads": []}, "nothing to send"),
        ({"payloads": lambda: 1 / 0}, "ZeroDivisionError"),
        ({"bystander": ""}, "bystander is the name of an event"),
        ({"ramp_s": -1}, "ramp_s is the time"),
        ({"connect_s": 0}, "connect_s is a time above 0"),
        ({"headers": {"Host": "x"}}, "the client's own to write"),
        ({"headers": {"A": "b\r\nc"}}, "line break"),
        ({"ca_file": "nowhere.pem"}, "no file of certificates"),
        ({"answer": "ack"}, "say what answers with response="),
        ({"expected": ()}, "say what answers with response="),
        ({"transport": "smoke"}, "websocket or polling"),
        ({"warm_up": -1}, "warm_up must be 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_connected(settings, told):
    with pytest.raises(UsageError, match=told):
        lab.fire("http://127.0.0.1:9", lab.burst(6), client=object(), **settings)


def test_what_is_of_a_url_is_not_said_of_the_labs_own_server():
    with pytest.raises(UsageError, match="payload is of a URL"):
        lab.fire(None, lab.burst(1), payload=1)
