"""How `pytest --nbval` runs the notebooks, and the summary that it ends with."""

import re
from pathlib import Path

import pytest

CELL_TIMEOUT_S = 120

#: What is not compared of an output that otherwise is.
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")

CLAIM_TAG = "nbval-check-output"

#: How a verdict begins, on a claim or on a line of the advice.
VERDICTS = ("HOLDS", "DEPENDS", "DOES NOT HOLD", "NOT TESTABLE")

#: What a claim measured, in the part of its output that a notebook folds.
MEASURED = re.compile("<summary>measured ([^<]+ times) the bound")

_claims: list[tuple[str, str]] = []


def pytest_configure(config: pytest.Config) -> None:
    # The same as in tests/conftest.py, which is not read where test_shop.py runs by itself.
    config.addinivalue_line("markers", "measured: opens sockets, starts processes")
    # Here and not in addopts: plain pytest must run without nbval, and paths there depend on the working directory.
    if getattr(config.option, "nbval", False) or getattr(config.option, "nbval_lax", False):
        config.option.nbval_current_env = True
        config.option.nbval_cell_timeout = CELL_TIMEOUT_S
        config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(SANITIZE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # The example of notebook 11, which runs it: its bound is in milliseconds, of which a busy machine takes no notice.
    asked = any(collection_path.name in argument for argument in config.args)
    return True if collection_path.name == "test_shop.py" and not asked else None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # What a claim cell printed travels with its report, so that this works under pytest-xdist too.
    if report.when == "call":
        _claims.extend((report.location[0], line) for name, line in report.user_properties if name == "claim")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    try:
        return (yield)
    finally:
        cell = getattr(item, "cell", None)
        if cell is not None and CLAIM_TAG in cell.metadata.get("tags", ()):
            for output in getattr(item, "test_outputs", None) or ():
                data = output.get("data", {})
                sentence = data.get("text/plain", "")
                first, _, rest = sentence.partition("\n")
                # A claim's sentence, or a line's verdict before its cases; a table of them says too much for a summary.
                if first and (not rest or first.startswith(VERDICTS)):
                    found = MEASURED.search(data.get("text/html", ""))
                    measured = f" [{found[1]} its bound]" if found else ""
                    item.user_properties.append(("claim", first + measured))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _claims:
        return
    terminalreporter.section("What this machine confirmed")
    shown = None
    for notebook, sentence in _claims:
        if notebook != shown:
            terminalreporter.write_line(notebook, bold=True)
            shown = notebook
        terminalreporter.write_line(f"  {sentence}", green=sentence.startswith("HOLDS"), yellow=sentence[:5] != "HOLDS")
