"""The house rules that tools check: style, types, the direction of imports, the environment file."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=" ".join,
)
def test_house_rules(command):
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_environment_file_installs_an_extra_that_exists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pip,) = (part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert pip == ["-e .[all]"]
    assert "all" in project["optional-dependencies"]
    python = next(part for part in environment["dependencies"] if str(part).startswith("python"))
    assert project["requires-python"].removeprefix(">=") in python


def test_the_library_speaks_of_no_registry_and_no_folder_of_a_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert tracked
    for name in tracked:
        if name.endswith((".py", ".toml", ".yml", ".md", ".ipynb")) or name == ".ci/run":
            text = (ROOT / name).read_text(encoding="utf-8")
            assert str(ROOT) not in text, name
            assert str(Path.home()) + "/" not in text, name
