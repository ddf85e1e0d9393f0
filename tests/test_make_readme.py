"""README says what was recorded, and shows a figure of each notebook that draws one."""

import io

import pytest
from PIL import Image

from labkit.claims import LINES, recorded
from tests import make_readme
from tests.make_readme import README, THUMBNAILS, claims_table, thumbnail, with_table
from tests.test_notebooks import NOTEBOOKS, OF_LINES


def test_the_table_in_the_readme_is_the_recorded_one():
    text = README.read_text(encoding="utf-8")
    assert with_table(text, claims_table(recorded())) == text


def test_the_table_has_a_row_a_line_and_says_how_it_was_made():
    table = claims_table(recorded())
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:16]] == [str(line.number) for line in LINES]
    assert f"`{recorded().command}`" in table


def test_only_what_is_between_the_marks_is_replaced():
    text = f"before\n{make_readme.BEGIN}old\n{make_readme.END}after\n"
    assert with_table(text, "new") == f"before\n{make_readme.BEGIN}\nnew\n{make_readme.END}after\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_that_draws_has_a_small_picture_in_the_readme(path):
    small = thumbnail(path)
    assert (small is None) == (path in OF_LINES)
    if small is not None:
        assert Image.open(io.BytesIO(small)).width <= make_readme.WIDTH_PX
        assert len(small) < 40_000
        shown = f"{THUMBNAILS.name}/{path.name[:2]}.png"
        assert (THUMBNAILS.parent / shown).is_file()
        assert shown in README.read_text(encoding="utf-8")
