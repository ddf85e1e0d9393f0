"""Write notebooks/solutions.md, the page for those who teach, from the notebooks' exercises.

    python tests/maintenance/refresh_notebooks.py [notebooks/01_who_waits.ipynb ...]   # measures the solutions, too
    python tests/maintenance/make_solutions.py

An exercise is a Markdown cell tagged `exercise`. Its solution is in that cell's metadata, where readers don't see it:

``why``       what is to be understood, in a sentence or two
``code``      (where there is something to measure) a cell that runs after all of the notebook's, with its variables,
              and ends in an order, a count or a yes or no, never in milliseconds
``measured``  what that cell showed; a refresh of the notebook writes it
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"
PAGE = FOLDER / "solutions.md"
TAG = "exercise"

_HEAD = """# Solutions

For those who teach. Made by `python tests/maintenance/make_solutions.py` from the exercises of the notebooks; change it
there. Each code runs after all cells of its notebook, with their variables. *Measured* is what it showed when the
notebook was last refreshed: an order, a count, a yes or no, that another machine should show as well.
"""


@dataclass(frozen=True)
class Exercise:
    """One of a notebook's.

    Attributes:
        question: the cell's text without its hint.
        why, code, measured: see the module; the latter two empty where there is nothing to measure.
    """

    question: str
    why: str
    code: str = ""
    measured: str = ""


def exercises(book: Any) -> list[Exercise]:
    """A notebook's, in its order; KeyError where one has no solution."""
    tagged = [cell for cell in book.cells if TAG in cell.metadata.get("tags", [])]
    return [Exercise(_without_hint(cell.source), **cell.metadata["solution"]) for cell in tagged]


def _without_hint(source: str) -> str:
    return re.sub(r"\s*<details>.*?</details>", "", source, flags=re.DOTALL).strip()


def title(book: Any) -> str:
    """A notebook's first heading."""
    return str(book.cells[0].source).splitlines()[0].removeprefix("# ")


def page(books: dict[str, Any]) -> str:
    """The whole page, from notebooks by file name."""
    parts = [_HEAD]
    for name, book in books.items():
        found = exercises(book)
        if found:
            parts.append(f"## [{title(book)}]({name})\n")
        parts += map(_section, found)
    return "\n".join(parts)


def _section(exercise: Exercise) -> str:
    parts = [exercise.question]
    if exercise.code:
        parts += [f"```python\n{exercise.code}\n```", f"Measured:\n\n```text\n{exercise.measured}\n```"]
    return "\n\n".join([*parts, exercise.why]) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Write it."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    books = {path.name: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}
    PAGE.write_text(page(books), encoding="utf-8")


if __name__ == "__main__":
    main()
