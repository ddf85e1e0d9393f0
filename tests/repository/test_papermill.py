"""Every notebook runs to its end with other parameters, by papermill, and each claim says whether it still holds.

All of them take five minutes on two cores, so without ``LABKIT_ALL_NOTEBOOKS`` it is one that is run. What the others
would be given is checked all the same.
"""

import ast
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from labkit.claims import CLAIMS
from labkit.claims.claim import BOTH, MANY, ONE
from tests.support.browsing import needed

pytestmark = pytest.mark.measured

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
QUICK = {"01_who_waits.ipynb"}
RUN = [path for path in NOTEBOOKS if path.name in QUICK or os.environ.get("LABKIT_ALL_NOTEBOOKS")]
NEED_A_BROWSER = {"05_rendering.ipynb", "06_inp_and_long_tasks.ipynb", "09_the_claims.ipynb"}


def parameters(path):
    """The notebook's own, by name."""
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", []))
    found = {}
    for line in ast.parse(cell.source).body:
        (target,) = line.targets
        values = ast.literal_eval(line.value)
        if isinstance(target, ast.Tuple):
            found |= dict(zip((name.id for name in target.elts), values, strict=True))
        else:
            found[target.id] = values
    return found


def others(path):
    """Half the work, half the events, half the rate at which they come, another order of runs, one run more."""
    given = parameters(path)
    work = {name: value / 2 for name, value in given.items() if name == "work_ms"}
    fewer = {name: max(1, value // 2) for name, value in given.items() if name in ("events", "clicks", "rate_hz")}
    another = {name: value + 1 for name, value in given.items() if name in ("seed", "runs")}
    return work | fewer | another


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_there_is_something_to_change(path):
    changed = others(path)
    assert changed
    assert all(parameters(path)[name] != value for name, value in changed.items())


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_it_runs_to_the_end_with_other_parameters(path, tmp_path):
    papermill = pytest.importorskip("papermill", reason="papermill is not installed: pip install 'labkit[test]'")
    if path.name in NEED_A_BROWSER:
        needed(exact=True)
    shutil.copytree(path.parent / "shop", tmp_path / "shop")  # which notebooks import
    book = papermill.execute_notebook(
        path, tmp_path / path.name, others(path), kernel_name="python3", cwd=tmp_path, progress_bar=False,
        execution_timeout=120,
    )  # fmt: skip
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    (injected,) = (cell for cell in code if "injected-parameters" in cell.metadata["tags"])
    assert all(f"{name} = {value}" in injected.source for name, value in others(path).items())
    judged = [cell for cell in code if "lab.claim(" in cell.source]
    assert judged or "lab.claims_table(" in " ".join(cell.source for cell in code)
    for cell in judged:
        (slug,) = re.findall(r"lab\.claim\(\"([^\"]*)\"", cell.source)
        (said,) = (output.data["text/plain"] for output in cell.outputs if "data" in output)
        if not said.startswith("NOT TESTABLE HERE: "):
            claim = CLAIMS[slug]
            # Behind the sentence may stand on whose events it was judged.
            sentences = {claim.sentence, *(f"{claim.sentence} ({who})" for who in (ONE, MANY, BOTH))}
            refuted = tuple(f"DOES NOT HOLD HERE: {sentence} (measured 0." for sentence in sentences)
            holds = said.removeprefix("HOLDS: ") in sentences
            assert holds or (said.startswith(refuted) and claim.margin in said)
