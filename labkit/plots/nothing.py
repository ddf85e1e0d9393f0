"""What is drawn of a rendering in which nothing was measured."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from labkit.browser.rendering import Rendering
from labkit.plots.style import WIDTH_IN, message, styled, wrapped


@styled
def nothing(result: Rendering, otherwise: str = "Nothing was measured.") -> Figure:
    """A figure that says why there is none: what the result says of it, else `otherwise`."""
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.4))
    axes.axis("off")
    why = " ".join(result.problems) or otherwise
    axes.text(0, 0.5, wrapped(why, 100), va="center", fontsize=10)
    message(figure, "There is no figure")
    return figure
