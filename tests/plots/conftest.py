"""What holds for all tests of figures: no window is opened, and none stays open."""

import matplotlib as mpl
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")
