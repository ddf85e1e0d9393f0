"""Which of labkit's own dependencies are installed, and whether their versions are within the ranges that it names.

Read from the metadata of the installed distributions (https://packaging.python.org/specifications/core-metadata/), so
that it works where the packages themselves do not.
"""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

#: Dependencies without an extra.
CORE = ""


@dataclass(frozen=True)
class Package:
    """A dependency that labkit names.

    Attributes:
        name: of the distribution.
        extra: which brings it; :data:`CORE` for what labkit always needs.
        wanted: the range, as ``>=2.2,<3``; empty for any version.
        version: what is installed; empty where nothing is.
    """

    name: str
    extra: str
    wanted: str
    version: str

    @property
    def fits(self) -> bool:
        """Whether it is there, and in its range."""
        return bool(self.version) and SpecifierSet(self.wanted).contains(self.version, prereleases=True)


def packages(distribution: str = "labkit") -> tuple[Package, ...]:
    """Every dependency of a distribution, the core first and each extra after it; one that is all others is left out.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution itself is not installed.
    """
    about = importlib.metadata.metadata(distribution)
    wanted = [Requirement(text) for text in importlib.metadata.requires(distribution) or ()]
    wanted = [each for each in wanted if each.name != distribution]
    extras = {
        extra: [each for each in wanted if _brought_by(each, extra)] for extra in about.get_all("Provides-Extra") or ()
    }
    alone = {extra: brought for extra, brought in extras.items() if not _is_all_others(extra, extras)}
    core = [each for each in wanted if _brought_by(each, CORE)]
    return tuple(
        Package(each.name, extra, str(each.specifier), version(each.name))
        for extra, brought in {CORE: core, **alone}.items()
        for each in brought
    )


def _is_all_others(extra: str, extras: Mapping[str, list[Requirement]]) -> bool:
    """Whether an extra such as ``all`` brings just what the others bring; build tools write it out."""
    others = {each.name for other, brought in extras.items() if other != extra for each in brought}
    return len(extras) > 2 and {each.name for each in extras[extra]} == others


def _brought_by(wanted: Requirement, extra: str) -> bool:
    if wanted.marker is None:
        return extra == CORE
    return wanted.marker.evaluate({"extra": extra}) and (extra == CORE or not wanted.marker.evaluate({"extra": CORE}))


def version(name: str) -> str:
    """Of an installed distribution; empty where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def python(distribution: str = "labkit") -> Package:
    """The interpreter, as if it were a dependency."""
    wanted = importlib.metadata.metadata(distribution)["Requires-Python"] or ""
    return Package("Python", CORE, wanted, platform.python_version())
