"""A figure in a page: closed, and with words for those who don't see it."""

import base64
import io

import matplotlib as mpl
import matplotlib.pyplot as plt
from PIL import Image

from labkit import plots
from labkit.plots import style
from tests.support import simulated


def test_a_figure_is_embedded_whole_closed_and_told():
    figure = plt.figure(figsize=(2, 1), dpi=100)
    image = style.embedded(figure, 'A "quoted" <finding>')
    assert not plt.fignum_exists(figure.number)
    assert 'alt="A &quot;quoted&quot; &lt;finding&gt;"' in image
    png = base64.b64decode(image.partition("base64,")[2].partition('"')[0])
    assert Image.open(io.BytesIO(png)).size == (200, 100)


def test_a_figure_is_saved_whole_and_closed(tmp_path):
    drawn = []

    def draw():
        drawn.append(plt.figure(figsize=(2, 1), dpi=100))
        return drawn[0]

    assert style.save(draw, tmp_path / "figure.png") == tmp_path / "figure.png"
    assert not plt.fignum_exists(drawn[0].number)
    assert Image.open(tmp_path / "figure.png").size == (200, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_a_name_with_dollars_is_text_and_no_formula():
    name = r"a $\frac$ of it"
    figure = plots.overview(simulated.comparison({name: {}, "inline": {}}, repeats=1))
    figure.savefig(io.BytesIO())  # half a formula would raise here
    assert any(r"$\frac$" in text.get_text() for text in figure.findobj(mpl.text.Text))
    plt.close(figure)


def test_a_network_between_is_told_at_the_edge_and_is_not_cut_off():
    over = {"network": {"delay_ms": 40, "jitter_ms": 10, "loss": 0.02, "seed": 3}}
    figure = plots.overview(simulated.comparison({"far": {"conditions": over}, "near": {}}, repeats=1))
    (told,) = [text for text in figure.texts if "Between clients" in text.get_text()]
    assert " ".join(told.get_text().split()) == (
        "Between clients and server: 40 ± 10 ms one way, 2% loss; loopback alone"
    )
    figure.draw_without_rendering()
    text, whole = told.get_window_extent(), figure.bbox
    assert whole.x0 <= text.x0
    assert text.x1 <= whole.x1
    assert whole.y0 <= text.y0
    assert text.y1 <= whole.y1
    assert all(axes.get_window_extent().x1 < text.x0 for axes in figure.axes)
    plt.close(figure)


def test_without_a_network_nothing_is_told_of_one():
    figure = plots.overview(simulated.comparison({"inline": {}}, repeats=1))
    assert not any("Between" in text.get_text() for text in figure.texts)
    plt.close(figure)
