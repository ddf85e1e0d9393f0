"""Tests of several servers: what they need."""

import pytest

from labkit.base.errors import MissingExtra
from labkit.scale import servers


def _missing():
    try:
        servers.require()
    except MissingExtra as error:
        return str(error)
    return ""


#: In CI all of it is there; elsewhere the reason says how to get it.
needs_servers = pytest.mark.skipif(bool(_missing()), reason=_missing() or "all is there")
