"""The same cells for the terminal, a notebook and a README."""

import math
import re
from html.parser import HTMLParser

import pytest

from labkit.runs import table
from labkit.runs.summary import summarise
from tests.support import simulated

NAMES = ("inline", "thread-pool, workers=2", "mine")


def summaries(*names, **arguments):
    return [summarise([simulated.run(name, **arguments)]) for name in names]


def shown(found, style):
    return getattr(table.of_summaries(found), style)()


class Cells(HTMLParser):
    """The text of every cell, and every tag."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_a_row_has_a_cell_for_each_header():
    (summary,) = summaries("inline")
    assert len(table.row(summary)) == len(table.HEADERS)


def test_a_row_says_what_was_measured():
    (summary,) = summaries(
        "inline", handler_ms=100, own_ms=300, outcomes={"timed out": 1}, strays=2, threads=4, bystander_ms=3
    )
    name, verdicts, *figures = table.row(summary)
    assert name == "inline"
    assert figures == ["100", "0.1", "300", "never", "3.0", "3.0 max", "90%", "1", "2", "-", "+4", "1.00"]
    assert verdicts.split("/")[0].strip() == "poor"
    assert verdicts.split("/")[1].strip() == "good"


def test_what_was_not_measured_is_a_dash():
    (summary,) = summaries("x", pings=0, instrumented=False, threads=None, conditions={"server_cpu_s": math.nan})
    row = dict(zip(table.HEADERS, table.row(summary), strict=True))
    dashes = [header for header, cell in row.items() if cell.startswith("-")]
    assert dashes == [
        "handler\nblocking",
        "connection\nblocked",
        "bystander\np50",
        "bystander\ntail",
        "out of\norder",
        "threads",
        "CPU s",
    ]


@pytest.mark.parametrize(
    ("own_ms", "clients", "cell"), [([9, 5, 1], 1, "2 of 2"), ([1, 5, 9], 1, "none"), ([9, 5, 1], 3, "-")]
)
def test_a_row_says_how_many_were_answered_out_of_order(own_ms, clients, cell):
    (summary,) = summaries("x", own_ms=own_ms, clients=clients)
    assert dict(zip(table.HEADERS, table.row(summary), strict=True))["out of\norder"] == cell


def test_many_cpu_seconds_need_no_fraction():
    cells = [table.row(s)[-1] for spent in (99.99, 123.456) for s in summaries("x", conditions={"server_cpu_s": spent})]
    assert cells == ["99.99", "123"]


def test_the_tail_says_what_it_is():
    (few,), (many,) = summaries("x", pings=149), summaries("x", pings=150)
    assert "1.0 max" in table.row(few)
    assert "1.0 p98" in table.row(many)


@pytest.mark.parametrize("style", ["text", "github", "html"])
def test_every_rendering_contains_every_strategy(style):
    text = shown(summaries(*NAMES), style)
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("style", ["text", "github", "html"])
def test_every_rendering_contains_every_cell(style):
    found = summaries(*NAMES, own_ms=[321, math.inf])
    text = shown(found, style)
    assert all(cell in text for summary in found for cell in table.row(summary))


def test_github_has_a_line_for_the_headers_one_below_and_one_a_strategy():
    lines = table.of_summaries(summaries(*NAMES)).github().splitlines()
    assert len(lines) == 2 + len(NAMES)
    assert {line.count("|") for line in lines} == {len(table.HEADERS) + 1}


def test_a_bar_in_a_name_does_not_make_another_column_on_github():
    line = table.of_summaries(summaries("a|b")).github().splitlines()[-1]
    assert line.replace("\\|", "").count("|") == len(table.HEADERS) + 1


def test_the_plain_table_has_its_legend_and_its_notes():
    text = table.of_summaries(summaries("inline"), ["caution: look out"]).text()
    assert text.endswith("caution: look out")
    assert "above 500 ms poor" in text


def test_the_legend_tells_the_bounds_that_were_used():
    text = table.legend([summarise([simulated.run()], (10, 20))])
    assert "up to 10 ms good, above 20 ms poor" in text
    assert "answered within 20 ms" in text


def test_html_has_the_same_cells():
    found = summaries(*NAMES)
    cells = [cell.strip() for cell in Cells(table.of_summaries(found).html()).cells]
    assert cells[: len(table.HEADERS)] == [header.replace("\n", " ") for header in table.HEADERS]
    for summary in found:
        assert set(table.row(summary)) <= set(cells)


def test_html_escapes_names_and_notes():
    text = table.of_summaries(summaries("<b>x</b>"), ["caution: <script>alert(1)</script>"]).html()
    assert Cells(text).tags <= {"table", "thead", "tbody", "tr", "th", "td", "p", "small", "br"}
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "&lt;script&gt;" in text


def test_a_name_that_looks_like_a_number_stays_as_it_is():
    assert "1e3 " in table.of_summaries(summaries("1e3")).text()


@pytest.mark.parametrize("style", ["text", "github", "html"])
def test_no_strategies_make_a_table_without_rows(style):
    assert "strategy" in shown([], style)


def test_in_a_notebook_names_are_on_the_left_and_figures_on_the_right():
    """JupyterLab puts what says nothing on the right."""
    markup = table.of_summaries(summaries("inline")).html()
    assert re.search(r'<td style="text-align: left;">inline *</td>', markup)
    assert re.search(r'<td style="text-align: right;"> *1\.0 *</td>', markup)
    assert not re.search(r"<t[dh]>", markup)
