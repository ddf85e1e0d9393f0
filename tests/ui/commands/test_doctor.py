"""The command ``labkit doctor``: what it prints, and how it ends."""

import json
import sys

import pytest

from labkit.ui.commands import examine
from labkit.ui.commands.examine import DOUBTFUL, MISSING, Finding, Report
from tests.ui.commands.running import labkit

HERE = (
    Finding("python", "Python", "3.11.7", is_required=True),
    Finding("packages", "click", "8.1.3", is_required=True),
    Finding("packages", "numpy", "2.1.0", is_required=True),
    Finding("packages [lab]", "pandas", "", MISSING, "the notebooks", "pip install 'labkit[lab]'"),
    Finding("packages [lab]", "scipy", "", MISSING, "the notebooks", "pip install 'labkit[lab]'"),
    Finding("machine", "spare CPU", "40%", DOUBTFUL, "milliseconds", "close what else computes"),
)
BROKEN = Finding("packages", "picows", "", MISSING, "everything", "pip install labkit", is_required=True)


@pytest.fixture
def found(monkeypatch):
    def prepare(*findings):
        monkeypatch.setattr(examine, "examine", lambda: Report(findings))

    return prepare


def test_what_is_fine_is_a_line_for_each_group_and_what_is_not_is_told_with_its_remedy(found):
    found(*HERE)
    result = labkit("doctor")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "ok packages click 8.1.3, numpy 2.1.0" in lines
    assert "- packages [lab] missing: pandas, scipy" in lines
    assert "? spare CPU 40%" in lines
    after = lines[lines.index("pandas, scipy") :]
    assert after[:3] == ["pandas, scipy", "skipped or in doubt: the notebooks", "to mend it: pip install 'labkit[lab]'"]
    assert lines[-1] == "labkit compare can run here."


def test_what_is_required_and_absent_is_exit_code_1(found):
    found(*HERE, BROKEN)
    result = labkit("doctor")
    assert result.exit_code == 1
    assert result.stdout.endswith("labkit compare cannot run here.\n")


def test_where_all_is_fine_nothing_has_to_be_done(found):
    found(*HERE[:3])
    assert "to mend it" not in labkit("doctor").stdout


def test_json_is_all_of_standard_output(found):
    found(*HERE, BROKEN)
    result = labkit("doctor", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ready"] is False
    assert [each["name"] for each in told["findings"]] == [*(each.name for each in HERE), "picows"]


def test_it_speaks_without_rich_too(found, monkeypatch):
    found(*HERE)
    for name in ("rich", "rich.console", "rich.table"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "-  packages [lab]  missing: pandas, scipy" in labkit("doctor").stdout
