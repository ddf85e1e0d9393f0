"""The package's frame: `import labkit` is light, its names resolve, README and notebooks use no others."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import labkit

ROOT = Path(__file__).parents[2]
HEAVY = ("flask", "flask_socketio", "loky", "matplotlib", "numpy", "pandas", "rich", "socketio", "werkzeug")


def loaded_by(code):
    """The modules that a fresh interpreter has loaded afterwards."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code", ["import labkit", "import labkit, labkit.base.errors; dir(labkit)", "import labkit.ui.commands.main"]
)
def test_importing_loads_nothing_heavy(code):
    loaded = loaded_by(code)
    assert "labkit" in loaded
    assert not loaded & set(HEAVY)


def test_a_plan_is_made_without_server_and_figures():
    loaded = loaded_by("import labkit; labkit.burst(3)")
    assert not loaded & (set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_public_name_resolves(name):
    assert getattr(labkit, name).__module__.startswith("labkit.")
    assert getattr(labkit, name).__name__ == name


def test_public_names_are_sorted_and_unique():
    assert labkit.__all__ == sorted(set(labkit.__all__))


def test_what_is_public_is_what_can_be_found():
    assert set(labkit.__all__) == set(labkit._HOMES)


def test_type_checkers_see_every_public_name():
    source = Path(labkit.__file__).read_text(encoding="utf-8")
    block = source.partition("if TYPE_CHECKING:")[2].partition("__version__")[0]
    seen = {name for line in re.findall(r"import (.+)", block) for name in line.split(", ")}
    assert seen == set(labkit.__all__)


def test_dir_shows_every_public_name():
    assert set(labkit.__all__) <= set(dir(labkit))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'no_such_name'"):
        _ = labkit.no_such_name


def test_the_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == labkit.__version__


def texts():
    """README and the sources of every notebook, by name."""
    yield "README.md", (ROOT / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*both, id=both[0]) for both in texts()])
def test_what_people_read_uses_public_names_only(name, text):
    used = set(re.findall(r"\blab\.([A-Za-z_]\w*)", text))
    assert used <= set(labkit.__all__)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*both, id=both[0]) for both in texts()])
def test_what_people_read_uses_figures_that_there_are(name, text):
    from labkit import plots

    assert all(callable(getattr(plots, used)) for used in re.findall(r"\bplots\.([a-z]\w*)\(", text))
