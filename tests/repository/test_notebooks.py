"""The notebooks as shipped: executed in order, their conclusions hold, and `pytest --nbval` compares them.

nbval skips the comparison where a cell was never executed, so that a stripped notebook would pass whatever it prints.
"""

import ast
import copy
import json
import platform
import re
import statistics
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.claims import CLAIMS
from labkit.claims.claim import BOTH, MANY, ONE
from tests.maintenance import refresh_notebooks
from tests.maintenance.refresh_notebooks import compared

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
COMPARED, IGNORED = "nbval-check-output", "nbval-ignore-output"
#: Judges lines of the advice, each by many claims, and draws nothing.
OF_LINES = [path for path in NOTEBOOKS if path.name == "09_the_claims.ipynb"]
TAGS = {"parameters", "exercise", COMPARED, IGNORED}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def cells(path):
    return nbformat.read(path, as_version=4).cells


def code(path):
    return [cell for cell in cells(path) if cell.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def claims_in(cell):
    """The slugs that a cell judges."""
    return re.findall(r"\blab\.claim\(\s*\"([^\"]*)\"", cell.source)


def said(cell):
    """What a cell prints as its value."""
    return [output.data["text/plain"] for output in cell.outputs if "text/plain" in output.get("data", {})]


def without_images(path):
    """The file's text, pictures left out."""
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                del output.data[kind]
    return json.dumps(book)


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS][:2] == ["00_tour.ipynb", "01_who_waits.ipynb"]


# --- how long it takes to read ---

#: What is read of English that is not one's own, in words a minute, and what a line of code takes.
WORDS_A_MINUTE, LINE_S = 200, 3

#: A notebook says this much of it or more, and at most that much and some minutes of looking at figures and measuring.
LEAST, MOST, LOOKING_MINUTES = 0.85, 1.6, 2


def reading_minutes(path):
    """Of text and code, exercises and what is folded apart."""
    read = [cell for cell in cells(path) if "exercise" not in tags(cell)]
    text = "\n".join(cell.source for cell in read if cell.cell_type == "markdown")
    text = re.sub(r"<details>.*?</details>|<[^>]+>|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    lines = sum(len(cell.source.splitlines()) for cell in read if cell.cell_type == "code")
    return len(re.findall(r"\w+", text)) / WORDS_A_MINUTE + lines * LINE_S / 60


def stated_minutes(path):
    (found,) = re.findall(r"\*\*(\w+) minutes\.?\*\*", cells(path)[0].source)
    return 8 if found == "Eight" else int(found)


@every_notebook
def test_it_takes_as_long_to_read_as_it_says(path):
    reading = reading_minutes(path)
    assert LEAST * reading <= stated_minutes(path) <= MOST * reading + LOOKING_MINUTES, reading


def test_the_readme_says_the_same_minutes():
    readme = (NOTEBOOKS[0].parents[1] / "README.md").read_text(encoding="utf-8")
    told = {name: int(minutes) for name, minutes in re.findall(r"\| \[(\w+)\]\(notebooks/.*\| (\d+) \|", readme)}
    assert told == {path.stem: stated_minutes(path) for path in NOTEBOOKS}


# --- executed as a whole ---


@every_notebook
def test_it_is_a_valid_notebook(path):
    nbformat.validate(nbformat.read(path, as_version=4))


@every_notebook
def test_it_was_executed_from_top_to_bottom(path):
    assert [cell.execution_count for cell in code(path)] == list(range(1, len(code(path)) + 1))


@every_notebook
def test_every_cell_has_an_id_of_its_own(path):
    ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert all(ids)
    assert len(set(ids)) == len(ids)


@every_notebook
def test_no_cell_ended_in_an_error_or_a_warning(path):
    outputs = [output for cell in code(path) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


# --- claims ---


@every_notebook
def test_every_claim_holds_as_shipped(path):
    checked = [cell for cell in code(path) if COMPARED in tags(cell) and claims_in(cell)]
    assert checked or path in OF_LINES
    assert not [cell.id for cell in checked if len(said(cell)) != 1 or not said(cell)[0].startswith("HOLDS: ")]


@every_notebook
def test_every_stored_sentence_is_the_claims_own(path):
    """And says for whom it was judged, where it is about one client and about many."""
    for cell in code(path):
        for slug, sentence in zip(claims_in(cell), said(cell) if claims_in(cell) else [], strict=True):
            assert sentence.startswith(f"HOLDS: {CLAIMS[slug].sentence}")
            rest = sentence.removeprefix(f"HOLDS: {CLAIMS[slug].sentence}")
            assert rest in ("", *(f" ({who})" for who in (ONE, MANY, BOTH) if CLAIMS[slug].who == BOTH))


@every_notebook
def test_every_claim_is_compared(path):
    judging = [cell for cell in code(path) if re.search(r"lab\.claim\(|^table(\[\d+\])?$", cell.source, re.MULTILINE)]
    assert judging
    assert not [cell.id for cell in judging if tags(cell) != {COMPARED}]
    assert not [cell.id for cell in code(path) if COMPARED in tags(cell) and cell not in judging]


@every_notebook
def test_a_claim_is_its_cells_last_word_and_the_only_one(path):
    for cell in code(path):
        if "lab.claim(" in cell.source:
            *before, last = ast.parse(cell.source).body
            assert len(claims_in(cell)) == 1, cell.id
            assert isinstance(last, ast.Expr), cell.id
            assert ast.unparse(last).startswith("lab.claim("), cell.id
            assert len(before) <= 1, cell.id
            assert all(isinstance(statement, ast.Assign) for statement in before), cell.id


@every_notebook
def test_few_cells_are_ignored(path):
    ignored = [cell for cell in code(path) if IGNORED in tags(cell)]
    assert len(ignored) <= len(code(path)) / 5


@every_notebook
def test_no_cell_is_skipped_or_expected_to_fail(path):
    assert not [cell.id for cell in cells(path) if tags(cell) - TAGS]


# --- shape ---


@every_notebook
def test_code_cells_are_short(path):
    lines = [len(cell.source.strip().splitlines()) for cell in code(path)]
    assert max(lines) <= 15
    assert statistics.median(lines) <= 4


@every_notebook
def test_it_has_one_cell_of_parameters_near_the_top(path):
    places = [place for place, cell in enumerate(code(path)) if "parameters" in tags(cell)]
    assert places == [1]


@every_notebook
def test_the_parameters_are_plain_values(path):
    cell = next(cell for cell in code(path) if "parameters" in tags(cell))
    assert all(
        isinstance(line, ast.Assign) and ast.literal_eval(line.value) is not ... for line in ast.parse(cell.source).body
    )


@every_notebook
def test_nothing_is_printed_past_the_comparison(path):
    assert not [cell.id for cell in code(path) if re.search(r"\bprint\(", cell.source)]


@every_notebook
def test_what_is_compared_shows_no_measured_milliseconds(path):
    shown = [
        text
        for cell in code(path)
        if IGNORED not in tags(cell) and not re.search(r"\b(lab|browser)\.show\(", cell.source)
        for text in said(cell)
    ]
    # A work is called by what was asked of it, as `cpu:100ms`: that was not measured.
    told = [re.sub(r"\b(?:cpu|cpu_nogil|io_wait):[\d.]+ms\b", "", text) for text in shown]
    assert not [text for text in told if re.search(r"\d\s*ms\b|\d\.\d{3,}", text)]


@every_notebook
def test_its_images_are_png(path):
    kinds = {kind for cell in code(path) for output in cell.outputs for kind in output.get("data", {})}
    assert {kind for kind in kinds if kind.startswith("image/")} == {"image/png"}
    quiz = {"application/javascript"} if path in OF_LINES else set()
    assert kinds <= {"image/png", "text/plain", "text/html"} | quiz


@every_notebook
def test_it_is_small(path):
    assert path.stat().st_size < 1_000_000


@every_notebook
def test_it_tells_nothing_about_whose_machine_it_was(path):
    text = without_images(path)
    assert not re.findall(r"(?:/(?:home|root|tmp|work|Users|opt|var)/|[A-Z]:\\\\)\S*", text)
    assert not re.search(rf"\b{re.escape(platform.node() or 'no name')}\b", text)
    assert " at 0x" not in text


@every_notebook
def test_its_links_lead_somewhere(path):
    for cell in cells(path):
        for target in re.findall(r"\]\(([^)]+)\)", cell.source) if cell.cell_type == "markdown" else []:
            assert target.startswith("https://") or (path.parent / target).exists(), (cell.id, target)


# --- what a refresh compares ---


def book(claim="HOLDS: yes", picture="AAAA", measured="12 ms", source="lab.claim(1)", folded="measured 2 times"):
    """A notebook made by hand: a text, a claim, a figure, a table that is ignored."""
    html = f'<p>{claim}</p><details class="labkit-measured">{folded}</details>'
    value = nbformat.v4.new_output("execute_result", {"text/plain": claim, "text/html": html}, execution_count=1)
    shown = {"image/png": picture, "text/plain": "<Figure size 830x370 with 1 Axes>"}
    ignored = nbformat.v4.new_output("execute_result", {"text/plain": measured}, execution_count=3)
    made = [
        nbformat.v4.new_markdown_cell("# A title", id="a"),
        nbformat.v4.new_code_cell(source, id="b", outputs=[value], metadata={"tags": [COMPARED]}),
        nbformat.v4.new_code_cell("plot()", id="c", outputs=[nbformat.v4.new_output("display_data", shown)]),
        nbformat.v4.new_code_cell("table", id="d", outputs=[ignored], metadata={"tags": [IGNORED]}),
    ]
    return nbformat.v4.new_notebook(cells=made)


def test_a_refresh_takes_equal_notebooks_for_equal():
    assert compared(book()) == compared(book())


@pytest.mark.parametrize("noise", [{"picture": "BBBB"}, {"measured": "13 ms"}, {"folded": "measured 3 times"}])
def test_a_refresh_ignores_noise(noise):
    assert compared(book(**noise)) == compared(book())


@pytest.mark.parametrize("change", [{"claim": "DOES NOT HOLD HERE: yes"}, {"source": "lab.claim(2)"}])
def test_a_refresh_sees_what_matters(change):
    assert compared(book(**change)) != compared(book())


def test_a_refresh_sees_a_changed_text_a_changed_tag_and_a_changed_size():
    for place, field, value in ((0, "source", "# Another"), (1, "metadata", {"tags": []}), (3, "id", "e")):
        other = copy.deepcopy(book())
        other.cells[place][field] = nbformat.from_dict(value)
        assert compared(other) != compared(book())
    other = book()
    other.cells[2].outputs[0].data["text/plain"] = "<Figure size 830x190 with 1 Axes>"
    assert compared(other) != compared(book())


def test_a_refresh_sees_another_thumbnails_code_and_not_its_picture():
    def pictured(code, png):
        made = book()
        made.cells[2].metadata["thumbnail"] = nbformat.from_dict({"code": code, "png": png})
        return compared(made)

    assert pictured("plots.thumbnail(a)", "AAAA") == pictured("plots.thumbnail(a)", "BBBB")
    assert pictured("plots.thumbnail(a)", "AAAA") != pictured("plots.thumbnail(b)", "AAAA")


def test_a_refresh_sees_an_output_that_is_new_or_gone():
    other = book()
    other.cells[2].outputs.append(nbformat.v4.new_output("stream", name="stdout", text="12"))
    assert compared(other) != compared(book())
    other.cells[2].outputs = []
    assert compared(other) != compared(book())


def written(path, shown):
    """A notebook with a cell that says `shown`, whatever its file has kept; and one with a picture."""
    picture = {"image/png": "AAAA", "text/plain": "<Figure>"}
    kept = nbformat.v4.new_output("execute_result", {"text/plain": "'kept'"}, execution_count=1)
    made = [
        nbformat.v4.new_markdown_cell("# A title", id="a"),
        nbformat.v4.new_code_cell(repr(shown), id="b", outputs=[kept], execution_count=1),
        nbformat.v4.new_code_cell(
            "display({'image/png': 'BBBB', 'text/plain': '<Figure>'}, raw=True)",
            id="c",
            outputs=[nbformat.v4.new_output("display_data", picture)],
            execution_count=2,
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


@pytest.mark.measured
def test_a_refresh_draws_the_thumbnail_with_what_the_notebook_has_measured(tmp_path):
    draw = {"thumbnail": {"code": "display({'image/png': measured}, raw=True)"}}
    made = [nbformat.v4.new_code_cell("measured = 'CCCC'", id="a", metadata=draw)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "pictured.ipynb")
    book = refresh_notebooks.executed(tmp_path / "pictured.ipynb")
    assert [cell.source for cell in book.cells] == ["measured = 'CCCC'"]
    assert book.cells[0].metadata["thumbnail"] == draw["thumbnail"] | {"png": "CCCC"}
    assert book.cells[0].outputs == []


@pytest.mark.measured
def test_a_refresh_of_two_notebooks_touches_the_one_that_changed(tmp_path, monkeypatch, capsys):
    same, other = written(tmp_path / "a_same.ipynb", "kept"), written(tmp_path / "b_other.ipynb", "new")
    before = {path: path.read_bytes() for path in (same, other)}
    monkeypatch.setattr(refresh_notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["refresh_notebooks.py"])
    refresh_notebooks.main()
    assert capsys.readouterr().out == "a_same.ipynb: unchanged\nb_other.ipynb: written\n"
    assert same.read_bytes() == before[same]  # although its picture is another
    assert "'new'" in other.read_text()
    assert "BBBB" in other.read_text()
    refreshed = other.read_bytes()
    refresh_notebooks.main()
    assert capsys.readouterr().out == "a_same.ipynb: unchanged\nb_other.ipynb: unchanged\n"
    assert other.read_bytes() == refreshed
    monkeypatch.setattr(sys, "argv", ["refresh_notebooks.py", "--all", str(same)])
    refresh_notebooks.main()
    assert capsys.readouterr().out == "a_same.ipynb: written\n"
    assert "BBBB" in same.read_text()
