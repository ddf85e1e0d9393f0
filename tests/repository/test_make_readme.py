"""README says what was recorded, and shows a figure of each notebook that draws one."""

import base64
import io

import nbformat
import pytest
from PIL import Image, ImageChops, ImageColor, ImageStat

from labkit.claims import LINES, recorded
from tests.maintenance import make_readme
from tests.maintenance.make_readme import README, THUMBNAILS, claims_table, thumbnail, with_table
from tests.repository.test_notebooks import NOTEBOOKS


def test_the_table_in_the_readme_is_the_recorded_one():
    text = README.read_text(encoding="utf-8")
    assert with_table(text, claims_table(recorded())) == text


def test_the_table_has_a_row_a_line_and_says_how_it_was_made():
    table = claims_table(recorded())
    assert [row.split("|")[1].split(".")[0].strip() for row in table.splitlines()[2:16]] == [
        str(line.number) for line in LINES
    ]
    assert f"`{recorded().command}`" in table


def test_only_what_is_between_the_marks_is_replaced():
    text = f"before\n{make_readme.BEGIN}old\n{make_readme.END}after\n"
    assert with_table(text, "new") == f"before\n{make_readme.BEGIN}\nnew\n{make_readme.END}after\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_notebook_has_a_small_picture_in_the_readme(path):
    small = thumbnail(path)
    assert Image.open(io.BytesIO(small)).width <= make_readme.WIDTH_PX
    assert len(small) < 40_000
    shown = f"{THUMBNAILS.name}/{path.name[:2]}.png"
    assert _apart(small, (THUMBNAILS.parent / shown).read_bytes()) < 2, "run: python tests/maintenance/make_readme.py"
    assert shown in README.read_text(encoding="utf-8")


def test_a_thumbnail_that_a_refresh_has_drawn_comes_before_the_notebooks_figures(tmp_path):
    def png(colour, width):
        made = io.BytesIO()
        Image.new("RGB", (width, 100), colour).save(made, format="PNG")
        return base64.b64encode(made.getvalue()).decode()

    figure = nbformat.v4.new_output("display_data", {"image/png": png("red", 830)})
    drawn = nbformat.v4.new_code_cell("plot()", outputs=[figure], metadata={"thumbnail": {"png": png("blue", 250)}})
    for cells, width, colour in (
        ([drawn], 250, "blue"),
        ([nbformat.v4.new_code_cell("x", outputs=[figure])], 260, "red"),
    ):
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "book.ipynb")
        small = Image.open(io.BytesIO(thumbnail(tmp_path / "book.ipynb"))).convert("RGB")
        assert small.width == width
        assert small.getpixel((5, 5)) == ImageColor.getrgb(colour)


def _apart(one, other):
    """How far two pictures of a size are from each other, of 255; their bytes hang on the version of Pillow."""
    images = [Image.open(io.BytesIO(each)).convert("RGB") for each in (one, other)]
    assert images[0].size == images[1].size
    return ImageStat.Stat(ImageChops.difference(*images)).mean[0]


def test_of_each_side_one_case_is_told():
    assert make_readme.one_of(("a, with x=1", "b")) == "a, with x=1"
    assert make_readme.one_of(()) == ""


def test_lines_told_in_short_are_lines_and_become_shorter():
    by_number = {line.number: line for line in LINES}
    for number, said in make_readme.IN_SHORT.items():
        assert len(said.split()) < len(by_number[number].quote.split())
        assert not said.endswith(".")
