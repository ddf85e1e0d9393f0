"""Whatever frames strangers send, over a websocket or by polling, others are served, and nothing of them stays."""

import pytest

from tests.support.fuzzed import bear
from tests.support.helpers import nothing_left_behind


@pytest.mark.measured
def test_strangers_disturb_nobody():
    """The long form: ``python -m tests.benchmarks.fuzz``."""
    with nothing_left_behind():
        assert bear(10, steps=20) > 30
