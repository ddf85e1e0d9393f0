"""``--option NAME=VALUE``."""

import pytest

from labkit.base.errors import UsageError
from labkit.ui.commands.server_options import parsed
from tests.ui.commands.running import assert_is_refused, labkit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max_http_buffer_size=5000000", 5_000_000),
        ("async_handlers=False", False),
        ("async_handlers=true", True),
        ("cookie=None", None),
        ("cors_allowed_origins=*", "*"),
        ('transports=["websocket"]', ["websocket"]),
        ("cookie=a=b", "a=b"),
        ("ping_interval = 2.5", 2.5),
    ],
)
def test_a_value_is_json_or_pythons_own_or_text(text, value):
    assert list(parsed([text]).values()) == [value]


def test_several_options_are_one_dictionary():
    assert parsed(["ping_interval=1", "cookie=x"]) == {"ping_interval": 1, "cookie": "x"}
    assert parsed([]) == {}


@pytest.mark.parametrize("text", ["cookie", "=1", ""])
def test_what_is_no_option_says_what_one_is(text):
    with pytest.raises(UsageError, match="--option is NAME=VALUE, such as max_http_buffer_size="):
        parsed([text])


@pytest.mark.parametrize(
    "arguments",
    [
        ("--option", "max_http_bufer_size=1"),
        ("--option", "cookie"),
        ("--ping-interval", 0),
        ("--ping-timeout", -1),
        ("--ping-timeout", "nan"),
        ("--ping-interval", "soon"),
    ],
)
def test_options_of_the_server_that_make_no_sense_are_refused(arguments):
    result = labkit("compare", "cpu:1ms", *arguments)
    if "soon" in arguments:
        assert result.exit_code == 2  # click's own
    else:
        assert_is_refused(result)
