"""The page of solutions: from the notebooks' own cells, and each of them run after its notebook."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from tests.maintenance import make_solutions
from tests.maintenance.make_solutions import FOLDER, TAG, Exercise, exercises, page
from tests.maintenance.refresh_notebooks import compared, executed

QUESTION = "**1.** How much is twice that?\n<details><summary>Hint</summary>Add it\nto itself.</details>"


def book(**solution):
    """A notebook made by hand, with an exercise and a cell after it."""
    made = [
        nbformat.v4.new_markdown_cell("# 09 A title\n\nMore.", id="a"),
        nbformat.v4.new_code_cell("number = 3", id="b"),
        nbformat.v4.new_markdown_cell(QUESTION, id="c", metadata={"tags": [TAG], "solution": solution, "other": 1}),
        nbformat.v4.new_code_cell("number += 1\nnumber", id="d"),
    ]
    return nbformat.v4.new_notebook(cells=made)


def written(path: Path, made):
    nbformat.write(made, path)
    return path


def shipped():
    return {path.name: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}


# --- the page ---


def test_an_exercise_is_its_question_without_the_hint_and_its_solution():
    (found,) = exercises(book(why="It doubles.", code="number * 2", measured="8"))
    assert found == Exercise("**1.** How much is twice that?", "It doubles.", "number * 2", "8")


def test_the_page_has_question_code_measurement_and_reason_in_this_order():
    shown = page({"09_x.ipynb": book(why="It doubles.", code="number * 2", measured="8")})
    assert "## [09 A title](09_x.ipynb)\n" in shown
    places = [shown.index(part) for part in ("How much is twice that?", "number * 2", "```text\n8\n```", "It doubles.")]
    assert places == sorted(places)
    assert "Hint" not in shown


def test_an_exercise_without_code_is_a_question_and_a_reason():
    shown = page({"09_x.ipynb": book(why="Think.")})
    assert "Think." in shown
    assert "```" not in shown


def test_a_notebook_without_exercises_is_not_on_the_page():
    made = book()
    made.cells[2].metadata.tags = []
    assert "09 A title" not in page({"09_x.ipynb": made})


def test_an_exercise_without_a_solution_is_a_mistake():
    made = book()
    del made.cells[2].metadata["solution"]
    with pytest.raises(KeyError, match="solution"):
        page({"09_x.ipynb": made})


def test_the_page_is_that_of_the_notebooks():
    assert make_solutions.PAGE.read_text(encoding="utf-8") == page(shipped())


def test_the_command_writes_it(tmp_path, monkeypatch):
    written(tmp_path / "09_x.ipynb", book(why="It doubles."))
    monkeypatch.setattr(make_solutions, "FOLDER", tmp_path)
    monkeypatch.setattr(make_solutions, "PAGE", tmp_path / "solutions.md")
    make_solutions.main([])
    assert "It doubles." in (tmp_path / "solutions.md").read_text(encoding="utf-8")


# --- a refresh ---


@pytest.mark.measured
def test_a_refresh_runs_solutions_after_the_notebook_and_keeps_what_they_show(tmp_path):
    made = executed(written(tmp_path / "09_x.ipynb", book(why="It doubles.", code="number *= 2\nnumber")))
    assert [cell.id for cell in made.cells] == ["a", "b", "c", "d"]
    assert made.cells[3].outputs[0].data["text/plain"] == "4"
    assert made.cells[2].metadata == {
        "tags": [TAG],
        "solution": {"why": "It doubles.", "code": "number *= 2\nnumber", "measured": "8"},
    }


@pytest.mark.measured
def test_a_solution_that_fails_fails_the_refresh(tmp_path):
    with pytest.raises(Exception, match="ZeroDivisionError"):
        executed(written(tmp_path / "09_x.ipynb", book(why="No.", code="1 / 0")))


def test_a_refresh_sees_a_changed_solution():
    same = [compared(book(why="It doubles.", code="number * 2", measured="8")) for _ in range(2)]
    assert same[0] == same[1]
    assert compared(book(why="It doubles.", code="number * 2", measured="9")) != same[0]
    assert compared(book(why="It does.", code="number * 2", measured="8")) != same[0]


# --- as shipped ---


def test_every_notebook_has_two_exercises_or_more():
    assert not [name for name, made in shipped().items() if len(exercises(made)) < 2]


def test_only_exercises_have_solutions():
    cells = [cell for made in shipped().values() for cell in made.cells]
    assert not [cell.id for cell in cells if ("solution" in cell.metadata) != (TAG in cell.metadata.get("tags", []))]
    assert not [cell.id for cell in cells if TAG in cell.metadata.get("tags", []) and cell.cell_type != "markdown"]


def test_solutions_are_short_and_show_an_order_a_count_or_a_yes_or_no():
    for name, made in shipped().items():
        for each in exercises(made):
            assert each.why, name
            assert bool(each.code) == bool(each.measured), (name, each.question)
            assert len(each.code.splitlines()) <= 20, (name, each.question)
            assert not each.code or isinstance(ast.parse(each.code).body[-1], ast.Expr)
            assert not re.search(r"\d\s*ms\b|\d\.\d{3,}", each.measured), (name, each.measured)


@pytest.mark.measured
def test_the_solutions_of_a_notebook_show_here_what_the_page_says(tmp_path):
    """Of one notebook, with one run of each (about 20 s); the others' run with each refresh."""
    book = shipped()["01_who_waits.ipynb"]
    (parameters,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source, changed = re.subn(r"^repeats = \d+", "repeats = 1", parameters.source, flags=re.MULTILINE)
    assert changed == 1
    before = exercises(book)
    assert exercises(executed(written(tmp_path / "01_who_waits.ipynb", book))) == before
