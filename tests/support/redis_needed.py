"""What needs a Redis is skipped where none can be had; ``.ci/run`` sees to it that one can."""

import pytest

from labkit.base.errors import MissingExtra
from labkit.scale import redis_server


def require_redis():
    """Skip, with the sentence that says how to get one."""
    try:
        redis_server.require()
    except MissingExtra as error:
        pytest.skip(str(error))
