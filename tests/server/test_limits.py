"""How large an event may be, by mode and options."""

import uvicorn

from labkit.plan.modes import MODES
from labkit.server.limits import of_server


def test_by_default_engine_io_s_own_limit_holds_in_every_mode():
    assert {(of_server(mode, {}).setting, of_server(mode, {}).most) for mode in MODES} == {
        ("max_http_buffer_size", 1_000_000)
    }


def test_an_option_raises_it_and_the_remedy_says_to_what():
    limit = of_server("threading", {"max_http_buffer_size": 5_000_000}, 6_000_000)
    assert limit.most == 5_000_000
    assert 'options={"max_http_buffer_size": 6000000}' in limit.remedy


def test_the_smallest_of_several_limits_holds():
    limit = of_server("asgi", {"max_http_buffer_size": 10**9})
    assert (limit.setting, limit.most) == ("ws_max_size", uvicorn.Config("x:y").ws_max_size)
