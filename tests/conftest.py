"""Where nothing may be skipped (LABKIT_NO_SKIP, set by .ci/run), a skipped test is a failed one. One client for all."""

import os

import pytest

from labkit.client.process import ClientProcess


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("LABKIT_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def client():
    """The client's process, as a notebook has one for all that it measures."""
    with ClientProcess() as process:
        yield process
