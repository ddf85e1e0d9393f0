"""Which dependencies are installed, and in their ranges: on a distribution made by hand, and on labkit itself."""

import importlib.metadata
import platform
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from labkit.ui.commands import packages as installed
from labkit.ui.commands.packages import CORE, Package

ROOT = Path(__file__).parents[3]

#: As hatchling writes it: the extra `all` has become a list of its own.
METADATA = """\
Metadata-Version: 2.4
Name: shop
Version: 1
Requires-Python: >=3.11
Provides-Extra: all
Provides-Extra: page
Provides-Extra: lab
Requires-Dist: till>=2,<3
Requires-Dist: winshelf; sys_platform == "no-such-system"
Requires-Dist: camera>=1; extra == "all"
Requires-Dist: counter>=1.5; extra == "all"
Requires-Dist: camera>=1; extra == "page"
Requires-Dist: counter>=1.5; extra == "lab"
Requires-Dist: shop[page]; extra == "lab"
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A distribution on the import path, and others at the versions that a test gives."""

    def install(**versions):
        for name, metadata in {
            "shop": METADATA,
            **{n: f"Metadata-Version: 2.4\nName: {n}\nVersion: {v}\n" for n, v in versions.items()},
        }.items():
            folder = tmp_path / f"{name}-1.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(metadata)
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    return install


def test_each_extra_after_the_core_and_none_that_is_all_others(shop):
    shop(till="2.4", camera="0.9")
    assert installed.packages("shop") == (
        Package("till", CORE, "<3,>=2", "2.4"),
        Package("camera", "page", ">=1", "0.9"),
        Package("counter", "lab", ">=1.5", ""),
    )
    assert [each.fits for each in installed.packages("shop")] == [True, False, False]


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        (">=2,<3", "2.0", True),
        (">=2,<3", "3.0", False),
        (">=2,<3", "1.9.9", False),
        ("", "0.1", True),
        (">=2", "", False),
        (">=2", "2.1rc1", True),  # somebody installed it on purpose
    ],
)
def test_a_package_fits_if_it_is_there_and_in_its_range(wanted, version, fits):
    assert Package("till", CORE, wanted, version).fits is fits


def test_the_interpreter_is_as_a_package(shop):
    shop()
    assert installed.python("shop") == Package("Python", CORE, ">=3.11", platform.python_version())


def test_labkit_itself_names_what_pyproject_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {CORE: project["dependencies"], **project["optional-dependencies"]}
    del extras["all"]
    named = {(extra, Requirement(text).name) for extra, texts in extras.items() for text in texts}
    told = {(each.extra, each.name) for each in installed.packages()}
    assert told == named, "pyproject.toml has changed since: pip install -e '.[all]' again"
