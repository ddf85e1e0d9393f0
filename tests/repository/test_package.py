"""The package's frame: `import labkit` is light, its names resolve, README, pages and notebooks use no others."""

import importlib
import inspect
import json
import re
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import labkit
from labkit import plots

ROOT = Path(__file__).parents[2]

#: What people import, by what they want.
STEPS = {"compare", "compare_modes", "compare_servers", "fire", "measure", "network", "serve", "vary"}
PLANS = {"burst", "constant", "poisson", "ramp", "replay"}
WORK = {"call", "cpu", "cpu_nogil", "io_wait", "mix", "similar_prices"}
STRATEGIES = {"show", "strategy"}
QUESTIONS = {
    "batching",
    "capacity",
    "delivery",
    "crossover",
    "diagnose",
    "eight_cases",
    "predict",
    "recommend",
    "several_servers",
    "slow_reader",
    "sustain",
}
INSIDE = {"blame", "instrument", "watch"}
JUDGED = {"diff", "expect", "gate", "verdicts"}
CLAIMS = {"check", "claim", "claims_table", "panel"}
#: So that people can annotate what they were given.
TYPES = {
    "AcrossServers",
    "Backlog",
    "Batching",
    "Blame",
    "Capacity",
    "Comparison",
    "Conditions",
    "Delivery",
    "Crossover",
    "Diagnosis",
    "EightCases",
    "Diff",
    "Difference",
    "Inside",
    "Judgement",
    "LabError",
    "Link",
    "Network",
    "Prediction",
    "Recommendation",
    "Record",
    "Replay",
    "Run",
    "Schedule",
    "Serving",
    "Settings",
    "SeveralServers",
    "Strategy",
    "Summary",
    "Sustained",
    "Verdicts",
    "Work",
}

#: `import labkit` may take so long beyond an empty interpreter. It loads one module, which takes some ms: the rest is
#: for a busy machine.
IMPORT_MS = 50

HEAVY = ("flask", "flask_socketio", "loky", "matplotlib", "numpy", "pandas", "rich", "socketio", "werkzeug")


def loaded_by(code):
    """The modules that a fresh interpreter has loaded afterwards."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.measured
@pytest.mark.parametrize(
    "code", ["import labkit", "import labkit, labkit.base.errors; dir(labkit)", "import labkit.ui.commands.main"]
)
def test_importing_loads_nothing_heavy(code):
    loaded = loaded_by(code)
    assert "labkit" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.measured
def test_a_plan_is_made_without_server_and_figures():
    loaded = loaded_by("import labkit; labkit.burst(3)")
    assert not loaded & (set(HEAVY) - {"numpy"})


@pytest.mark.measured
def test_what_looks_into_an_app_brings_nothing_into_it():
    loaded = loaded_by("import labkit; labkit.instrument")
    assert "labkit.inside.seeing" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_public_name_resolves(name):
    assert getattr(labkit, name).__module__.startswith("labkit.")
    assert getattr(labkit, name).__name__ == name


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_public_name_says_in_its_first_line_what_it_is(name):
    told = inspect.getdoc(getattr(labkit, name)) or ""
    first = told.partition("\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]*\w[`\"')]*[.?]", first), first
    assert not first.startswith(f"{name}("), "a dataclass without a docstring"


def test_the_public_names_are_these():
    assert set(labkit.__all__) == STEPS | PLANS | WORK | STRATEGIES | QUESTIONS | INSIDE | JUDGED | CLAIMS | TYPES


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


@pytest.mark.parametrize(("old", "new"), labkit._RENAMED.items())
def test_a_renamed_function_names_the_new_one(old, new):
    with pytest.raises(AttributeError, match=rf"labkit\.{old} is called labkit\.{new} now"):
        getattr(labkit, old)
    assert new in labkit.__all__


def test_what_was_renamed_is_told_by_name():
    assert labkit._RENAMED["across"] == "compare_modes"
    assert "labkit.slow_reader" in labkit._MOVED["slow"]


@pytest.mark.measured
@pytest.mark.parametrize("old", labkit._MOVED)
def test_a_moved_module_names_the_new_place(old):
    # In an interpreter of its own: a room of that name may have been imported here.
    code = f"try:\n    from labkit import {old}\nexcept ImportError as error:\n    print(error)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert labkit._MOVED[old] in told


@pytest.mark.parametrize("place", labkit._MOVED.values())
def test_a_new_place_is_there(place):
    for path in re.findall(r"labkit(?:\.\w+)+", place):
        if path.removeprefix("labkit.") not in labkit.__all__:
            importlib.import_module(path)
    figures = re.search(r"labkit\.plots \((.+)\)", place)
    assert figures is None or set(figures[1].split(", ")) <= set(plots.__all__)


@pytest.mark.parametrize("name", plots.__all__)
def test_every_figure_resolves(name):
    found = getattr(plots, name)
    if inspect.ismodule(found):
        assert found.__name__ == f"labkit.plots.{name}"
    else:
        assert found.__name__ == name
        assert (found.__doc__ or "").strip()


def test_figures_are_what_can_be_found():
    assert plots.__all__ == sorted(set(plots.__all__))
    assert set(plots.__all__) == {*plots._HOMES, "page", "trace"}
    assert set(plots.__all__) <= set(dir(plots))
    with pytest.raises(AttributeError, match=r"'labkit\.plots' has no attribute 'no_such_figure'"):
        _ = plots.no_such_figure


@pytest.mark.measured
def test_importing_the_figures_loads_no_matplotlib():
    assert not loaded_by("from labkit import plots") & set(HEAVY)


@pytest.mark.measured
def test_importing_takes_no_time_that_is_felt():
    beyond_ms = statistics.median(took_ms("import labkit") - took_ms("pass") for _ in range(5))
    assert beyond_ms < IMPORT_MS


def took_ms(code):
    """How long a fresh interpreter takes for it."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - start) * 1000


def test_the_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == labkit.__version__


def texts():
    """README, the pages beside it and the sources of every notebook, by name. The changelog also names what is gone."""
    for path in [ROOT / "README.md", ROOT / "notebooks" / "glossary.md", *sorted((ROOT / ".github").glob("*.md"))]:
        if path.name != "CHANGELOG.md":
            yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*both, id=both[0]) for both in texts()])
def test_what_people_read_uses_public_names_only(name, text):
    used = set(re.findall(r"\blab\.([A-Za-z_]\w*)", text))
    assert used <= set(labkit.__all__)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*both, id=both[0]) for both in texts()])
def test_what_people_read_uses_figures_that_there_are(name, text):
    assert all(callable(getattr(plots, used)) for used in re.findall(r"\bplots\.([a-z]\w*)\(", text))
