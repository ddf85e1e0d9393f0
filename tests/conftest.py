"""What holds for all tests: who may open a socket, that nothing is skipped where nothing may be, one client for all."""

import gc
import os
import socket
import subprocess

import pytest

from labkit.client.process import ClientProcess

#: What a test does that is marked `measured`; a test without the mark is pure, and must not.
MEASURES = ((socket.socket, "bind"), (socket.socket, "connect"), (subprocess.Popen, "__init__"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "measured: opens a socket, or starts a process or a browser")


def pytest_collection_finish() -> None:
    """Five thousand collected tests are no garbage: without them a full collection takes a tenth as long.

    The lab makes one before each run, and some tests measure in this process.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("LABKIT_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None):
    """A test without the mark can neither open a socket nor start a process, nor can its fixtures of any scope."""

    def refused(*_, **__):
        raise AssertionError("only a test that is marked `measured` opens sockets and starts processes")

    with pytest.MonkeyPatch.context() as patch:
        if isinstance(item, pytest.Function) and item.get_closest_marker("measured") is None:
            for owner, name in MEASURES:
                patch.setattr(owner, name, refused)
        return (yield)


@pytest.fixture(scope="session")
def client():
    """The client's process, as a notebook has one for all that it measures."""
    with ClientProcess() as process:
        yield process


@pytest.fixture
def nothing_frozen():
    """What all tests have frozen would hide what a test freezes."""
    gc.unfreeze()
    yield
    gc.freeze()
