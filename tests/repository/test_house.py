"""The house rules that tools check: style, types, the direction of imports, the rooms, and the length of things."""

import ast
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

ROOMS = {
    "base",
    "browser",
    "claims",
    "client",
    "experiments",
    "inside",
    "plan",
    "plots",
    "runs",
    "scale",
    "server",
    "strategies",
    "ui",
}

#: Their `__init__.py` is empty: the hooks stay free of numpy, and `import labkit` stays light.
EMPTY_ROOMS = ("base", "client", "experiments", "inside", "plan", "runs", "scale", "server")

#: Beside the rooms: the public names, and `python -m labkit`.
NO_ROOM = {"__init__.py", "__main__.py", "py.typed"}

#: Where a strategy may be called by its name of version 0.1, each with the reason. Elsewhere one word names one thing.
OLD_NAME = {
    "labkit/base/renamed.py": "tells who writes exhibit= what it is called now",
    "labkit/ui/commands/strategies.py": "tells who writes --exhibit what it is called now",
    "labkit/browser/rendering.py": "reads renderings that version 0.1 saved",
}

#: A function must be seen at once, and 60 lines are a screen. Its docstring is read by itself and not counted: so 50.
LONGEST_FUNCTION = 50

#: Functions that may be longer, each with the reason.
LONG: dict[str, str] = {}

#: Of README, code blocks and tables included.
MOST_WORDS = 1_500


def tracked(*patterns):
    """Files of the repository that are there; also new ones that git would take."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [name for name in sorted(set(told.splitlines())) if (ROOT / name).exists()]


@pytest.mark.measured
@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=" ".join,
)
def test_house_rules(command):
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.measured
def test_every_module_lies_in_a_room():
    beneath = [Path(name).parts[1] for name in tracked("labkit")]
    assert set(beneath) - NO_ROOM == ROOMS


@pytest.mark.parametrize("room", EMPTY_ROOMS)
def test_the_room_itself_is_empty(room):
    assert (ROOT / "labkit" / room / "__init__.py").read_text(encoding="utf-8") == ""


def test_the_readme_shows_every_room_and_no_other():
    tree = (ROOT / "README.md").read_text(encoding="utf-8").partition("\nlabkit/\n")[2].partition("```")[0]
    shown = re.findall(r"^ *(\w+)/ ", tree, re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert set(shown) == ROOMS


@pytest.mark.measured
def test_tests_lie_in_the_rooms_of_what_they_test():
    beneath = {Path(name).parts[1] for name in tracked("tests") if len(Path(name).parts) > 2}
    assert beneath == ROOMS | {"benchmarks", "maintenance", "repository", "support"}


@pytest.mark.measured
def test_a_strategy_is_called_nothing_else():
    found = [name for name in tracked("labkit") if "exhibit" in (ROOT / name).read_text(encoding="utf-8").lower()]
    assert [name for name in found if name not in OLD_NAME] == []
    assert [name for name in OLD_NAME if name not in found] == [], "no longer needed: take it off the list"


def functions(tree, prefix=""):
    """Every function of a module with its name; methods as Class.method, inner ones as outer.inner."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
            if not isinstance(node, ast.ClassDef):
                yield name.rstrip("."), node
        yield from functions(node, name)


def lines(function):
    """From the `def` to the end, less the docstring; decorators are not counted."""
    first = function.body[0]
    is_documented = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if is_documented else 0)


def test_the_length_of_a_function_is_that_of_its_code():
    code = 'class A:\n    @b\n    def c(\n        self,\n    ):\n        """D.\n\n        E."""\n        return 1\n'
    assert [(name, lines(node)) for name, node in functions(ast.parse(code))] == [("A.c", 4)]


@pytest.mark.measured
def test_no_function_has_to_be_scrolled():
    long = {
        f"{name}:{function}": lines(node)
        for name in tracked("labkit/*.py")
        for function, node in functions(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if lines(node) > LONGEST_FUNCTION
    }
    assert {name: count for name, count in long.items() if name not in LONG} == {}
    assert set(LONG) <= set(long), "no longer too long: take it off the list"


def words(markdown):
    """As `wc -w` counts them, without comments: code blocks and tables count."""
    return len(re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL).split())


def test_words_are_counted_in_code_and_tables_and_not_in_comments():
    assert words("one two\n<!-- not\nthis -->\n```sh\nthree four\n```\n| five |\n") == 9


def test_the_readme_is_short():
    assert words((ROOT / "README.md").read_text(encoding="utf-8")) <= MOST_WORDS


def test_the_environment_file_installs_an_extra_that_exists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pip,) = (part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert pip == ["-e .[all]"]
    assert "all" in project["optional-dependencies"]


def test_no_bound_keeps_a_newer_python_out():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = (part for part in environment["dependencies"] if str(part).startswith("python"))
    assert project["requires-python"] == ">=3.11"
    assert python == "python>=3.11"


def test_the_readme_names_the_pythons_that_were_tried_and_those_that_were_not():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tried = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tried == ["3.11", "3.12", "3.13"]
    assert [version for version in tried if version not in readme] == []
    assert re.search(r"3\.14\s+and\s+3\.15\s+are\s+let\s+in,\s+but\s+were\s+not\s+tried", readme)


@pytest.mark.measured
def test_the_library_speaks_of_no_registry_and_no_folder_of_a_machine():
    names = tracked()
    assert names
    for name in names:
        if name.endswith((".py", ".toml", ".yml", ".md", ".ipynb")) or name == ".ci/run":
            text = (ROOT / name).read_text(encoding="utf-8")
            assert str(ROOT) not in text, name
            assert str(Path.home()) + "/" not in text, name


def test_a_test_without_the_mark_is_pure():
    """`pytest tests -m "not measured"` opens no socket and starts no process: so it is quick, and exact."""
    with socket.socket() as idle, pytest.raises(AssertionError, match="marked `measured`"):
        idle.bind(("127.0.0.1", 0))
    with pytest.raises(AssertionError, match="marked `measured`"):
        subprocess.run([sys.executable, "-c", ""], check=False)


@pytest.mark.measured
def test_a_test_with_the_mark_may_do_both():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
    subprocess.run([sys.executable, "-c", ""], check=True)
