"""The matrix, and how a notebook shows what was seen."""

import pytest

from labkit.experiments.blame import Blame, Line, Waited, blame
from labkit.experiments.blame_matrix import OTHERS, matrix, seconds
from labkit.experiments.inside_shown import html
from labkit.inside.watched import CAUSES, CORE, GIL, LOCK
from tests.support import reported


def line(waited, by, cause, value_s, where="a.py:1 in f", kind="event"):
    return Line(waited, by, kind, CAUSES[cause], where, "", "", value_s, 0.5)


LINES = (
    line("chat", "export", GIL, 3.0),
    line("chat", "export", LOCK, 1.0, where="b.py:2 in g"),
    line("chat", "export", GIL, 9.0, where=""),
    line("chat", "task.x", GIL, 2.0, kind="task"),
    line("move", "the machine", CORE, 0.25, where="", kind="library"),
)
ROWS = (Waited("chat", 5, 20.0, 2.0, 0.75), Waited("move", 1, 0.5, 0.5, 0.5))


def made(lines=LINES, rows=ROWS):
    return Blame(rows=rows, cells=(), lines=lines, findings=(), watched_s=60)


def test_a_cell_sums_what_one_did_to_another_and_names_the_line_that_is_known():
    found = matrix(made())
    assert found.columns == ("event export", "task task.x", "the machine")
    cell = found.cells[0][0]
    assert (cell.seconds, cell.share, cell.where) == (13.0, 0.65, "a.py:1 in f")
    assert cell.causes == (CAUSES[GIL], CAUSES[LOCK])
    assert found.cells[0][2] is None
    assert found.cells[1][2].told == CAUSES[CORE]


def test_what_has_no_column_is_summed_up_and_no_second_is_lost():
    found = matrix(made(), rows=1, columns=1)
    assert found.columns == ("event export", OTHERS)
    assert found.left_out == 1
    assert sum(met.seconds for met in found.cells[0]) == pytest.approx(15.0)


def test_who_has_next_to_nothing_has_no_column():
    found = matrix(made((*LINES, line("chat", "ping", GIL, 0.1))))
    assert found.columns == ("event export", "task task.x", "the machine", OTHERS)
    assert found.cells[0][-1].seconds == pytest.approx(0.1)


def test_the_table_has_a_row_for_each_who_waited():
    table = matrix(made()).table()
    assert [row[0] for row in table.rows] == ["chat", "move"]
    assert "13.0 s (65%), held the GIL and held a lock: a.py:1 in f" in repr(table)


@pytest.mark.parametrize(("value_s", "told"), [(0.0123, "12 ms"), (1.25, "1.2 s"), (150.4, "150 s")])
def test_seconds_have_their_unit(value_s, told):
    assert seconds(value_s) == told


def test_a_notebook_shows_verdict_table_and_matrix_without_script():
    record, watched = reported.crowded(2_000, names=("chat", "<script>alert(1)</script>", "export", "query"))
    shown = html(record, blame((record, watched)))
    assert shown.startswith("<p>`shop/report.py:41 in build` held the GIL for ")
    assert shown.count("<table") == 2
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert record._repr_html_() == html(record)
    assert record._repr_html_().count("<table") == 1
