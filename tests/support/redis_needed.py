"""What needs a Redis is skipped where none can be had; ``.ci/run`` sees to it that one can."""

import contextlib

import pytest

from labkit.base.errors import MissingExtra
from labkit.scale import redis_server
from labkit.scale.backing import Backing


def require_redis():
    """Skip, with the sentence that says how to get one."""
    try:
        redis_server.require()
    except MissingExtra as error:
        pytest.skip(str(error))


def behind(chosen, calculation):
    """What a strategy with a queue needs beside its server, where there is a Redis; it gives the strategy to serve."""
    if chosen.work is None:
        return contextlib.nullcontext(chosen)
    require_redis()
    return Backing(chosen, calculation)
