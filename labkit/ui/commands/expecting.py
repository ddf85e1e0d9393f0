"""What commands that measure do about expectations: their options, the exit code, a step's summary, JUnit's XML."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labkit.base.errors import UsageError
from labkit.ui.commands.session import BROKEN, UNKNOWN

if TYPE_CHECKING:
    from labkit.runs.comparison import Comparison
    from labkit.runs.expectation import Expectation
    from labkit.runs.verdicts import Verdicts

T = TypeVar("T", bound=Callable[..., Any])


def options(command: T) -> T:
    """The options of :class:`Asked`, for a command that measures."""
    for option in reversed(
        (
            click.option(
                "--expect",
                multiple=True,
                metavar="LINE",
                help="Such as 'bystander.p98 < 200ms', 'lost == 0', 'thread: own.p98 < 1.1 * base'; once for each.",
            ),
            click.option(
                "--expect-file",
                type=click.Path(path_type=Path),
                metavar="TOML",
                help='The same from a file: expect = ["lost == 0", ...].',
            ),
            click.option("--base", metavar="STRATEGY", help="What base means there.  [default: inline, or the first]"),
            click.option(
                "--summary",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Append the table as Markdown, such as to $GITHUB_STEP_SUMMARY.",
            ),
            click.option(
                "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the verdicts as JUnit's XML."
            ),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Asked:
    """What is expected, and where to tell it, as the options say.

    Attributes:
        expect, expect_file: lines, and a TOML file of lines.
        base: the strategy that they call base; None for `inline`, or the first.
        summary, junit: files to tell it to; None for none.
    """

    expect: tuple[str, ...] = ()
    expect_file: Path | None = None
    base: str | None = None
    summary: Path | None = None
    junit: Path | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> "Asked":
        """What the options of a command say; they are taken out of these."""
        return cls(**{each.name: options.pop(each.name) for each in fields(cls)})

    @cached_property
    def expectations(self) -> "tuple[Expectation, ...]":
        """All of them, read."""
        if not self.expect and self.expect_file is None:
            return ()
        from labkit.runs import expectation

        of_file = () if self.expect_file is None else expectation.read(self.expect_file)
        return (*expectation.parse_all(self.expect), *of_file)

    def require_sense(self, strategies: "list[str]") -> None:
        """UsageError where a line cannot be read, is about a strategy that is not measured, or a file is none.

        Args:
            strategies: that will be measured; empty where their names are not known before.
        """
        asked = self.expectations
        if not asked:
            for name in ("base", "junit"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--{name} is about expectations: give --expect or --expect-file")
        for path in (self.summary, self.junit):
            if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
                raise UsageError(f"{path} cannot be written, it is a folder or in none: name a file")
        if strategies and asked:
            from labkit.base.renamed import refuse_unknown

            named = [one.strategy for one in asked if one.strategy]
            refuse_unknown([*named, *([self.base] if self.base else [])], strategies, "measured strategy")
            if len(strategies) == 1 and (of_base := [one for one in asked if one.of_base]):
                raise UsageError(f"{of_base[0].text!r} compares with another strategy, and one is measured: name two")

    def judge(self, result: "Comparison") -> "Verdicts | None":
        """What can be said of each; None where nothing is expected."""
        if not self.expectations:
            return None
        from labkit.runs.verdicts import verdicts

        first = "inline" if "inline" in result.strategies else result.strategies[0]
        of_base = any(one.of_base for one in self.expectations)
        return verdicts(result, *self.expectations, base=(self.base or first) if of_base else None)

    def tell(self, title: str, result: "Comparison", found: "Verdicts | None", seconds: float) -> None:
        """Write the files that were asked for.

        Args:
            title: on what was measured, a line.
            result, found: what was measured, and what can be said of it.
            seconds: how long all runs took.

        Raises:
            UsageError: a file cannot be written.
        """
        from labkit.ui import junit, markdown
        from labkit.ui.commands import session

        if self.summary is not None:
            markdown.append(self.summary, markdown.of_comparison(title, result, found))
        if self.junit is not None and found is not None:
            session.write(self.junit, junit.xml(found, seconds=seconds))


def code(found: "Verdicts | None") -> int:
    """The exit code that follows: 0 where nothing is expected, or all of it holds."""
    if found is None:
        return 0
    from labkit.runs.verdicts import State

    return {State.BROKEN: BROKEN, State.UNKNOWN: UNKNOWN, State.HOLDS: 0}[found.state]
