"""What `pytest --nbval` compares of a claim: its sentence, and not what is folded beneath it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.claims import CLAIMS, HOLDS, Verdict

pytestmark = pytest.mark.measured

ROOT = Path(__file__).parents[2]
SETUP = "from labkit.claims import CLAIMS, HOLDS, Verdict"
JUDGED = 'Verdict(CLAIMS["neighbours-wait"], HOLDS, 2.5)'


def notebook(folder, name, **outputs):
    """A notebook whose second cell judges a claim, and has stored another output than it will have."""
    verdict = Verdict(CLAIMS["neighbours-wait"], HOLDS, 2.1)
    kept = {"text/plain": repr(verdict), "text/html": verdict._repr_html_()} | outputs
    stored = nbformat.v4.new_output("execute_result", kept, execution_count=2)
    tags = {"tags": ["nbval-check-output"]}
    made = [
        nbformat.v4.new_code_cell(SETUP, execution_count=1),
        nbformat.v4.new_code_cell(JUDGED, execution_count=2, outputs=[stored], metadata=tags),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), folder / f"{name}.ipynb")


def test_a_claims_sentence_is_compared_and_its_figures_are_not(tmp_path):
    pytest.importorskip("nbval", reason="nbval is not installed: pip install 'labkit[lab]'")
    for part in ("conftest.py", "nbval_sanitize.cfg"):
        shutil.copy(ROOT / "notebooks" / part, tmp_path)
    said = Verdict(CLAIMS["neighbours-wait"], HOLDS, 2.1)
    notebook(tmp_path, "other_figures")
    notebook(tmp_path, "other_sentence", **{"text/plain": "HOLDS: Nobody waits."})
    notebook(tmp_path, "other_html", **{"text/html": said._repr_html_().replace("HOLDS", "DOES NOT HOLD HERE")})
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-rA", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line.split(" - ")[0] for line in ran.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))]
    judged = {line for line in lines if line.endswith("Cell 1")}
    assert judged == {
        "PASSED other_figures.ipynb::Cell 1",
        "FAILED other_sentence.ipynb::Cell 1",
        "FAILED other_html.ipynb::Cell 1",
    }, ran.stdout + ran.stderr
    # What this machine confirmed, and how clearly.
    assert f"HOLDS: {CLAIMS['neighbours-wait'].sentence} [2.5 times its bound]" in ran.stdout
