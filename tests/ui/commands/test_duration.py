"""Times as people type them."""

import click
import pytest

from labkit.ui.commands.duration import Duration


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("5s", 5), ("200ms", 0.2), ("1.5 s", 1.5), ("2m", 120)])
def test_a_time_is_written_as_people_write_it(text, seconds):
    assert Duration().convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "5 h", "1e3", "nan"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match="write 5, 5s or 200ms"):
        Duration().convert(text, None, None)
