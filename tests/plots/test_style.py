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
