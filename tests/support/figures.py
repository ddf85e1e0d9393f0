"""What tests of figures read from them."""


def title(figure):
    """Its message in one line, once it is drawn."""
    figure.canvas.draw()
    return figure._suptitle.get_text().replace("\n", " ")
