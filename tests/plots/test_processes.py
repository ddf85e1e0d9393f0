"""The drawing of processes and threads: every word lies within its box, and nothing is printed over something else."""

import itertools

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyBboxPatch

from labkit import plots


@pytest.fixture
def figure():
    found = plots.processes_and_threads()
    found.canvas.draw()
    yield found
    plt.close(found)


def words(figure):
    """Every text that says something, with the place where it stands."""
    return {text: text.get_window_extent() for text in figure.axes[0].texts if text.get_text()}


def boxes(figure):
    return [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_alpha() == 1
    ]


def test_it_fits_a_readme_and_has_a_ground_of_its_own(figure):
    width, height = figure.get_size_inches() * figure.dpi
    assert round(width) <= 830
    assert height <= 520
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)  # readable in a dark theme


def test_every_part_is_named(figure):
    said = " ".join(text.get_text().replace("\n", " ") for text in words(figure))
    parts = ("clients", "bystander", "the server", "reader", "receive loop", "handler", "the GIL", "process pool")
    assert [part for part in parts if part not in said] == []
    assert said.count("a GIL of its own") == 2


def test_no_word_is_printed_over_another(figure):
    places = words(figure).items()
    assert [
        (a.get_text(), b.get_text()) for (a, at), (b, bt) in itertools.combinations(places, 2) if at.overlaps(bt)
    ] == []


def test_no_word_crosses_the_edge_of_a_box(figure):
    """It is within a box or outside of it."""
    crossing = [
        text.get_text()
        for text, place in words(figure).items()
        for box in boxes(figure)
        if place.overlaps(box) and not (box.x0 <= place.x0 and place.x1 <= box.x1)
    ]
    assert crossing == []


def test_a_title_of_ones_own_replaces_the_labs():
    figure = plots.processes_and_threads(title="Mine")
    assert figure.get_suptitle() == "Mine"
    plt.close(figure)
