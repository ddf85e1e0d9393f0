"""What was seen inside an app, as figures and claims take it."""

import pytest

from tests.support.shop_day import CLIENTS, QUERY_MS, seen


def test_how_long_an_event_took_and_when_it_came():
    shop = seen()
    assert shop.took_ms("stock") == pytest.approx([QUERY_MS])
    assert shop.came_s("stock") == pytest.approx([0.0])
    # To the end of its handler, 181 ms after it came; but the first was acknowledged, and that was written at 210 ms.
    assert shop.took_ms("search")[:2] == pytest.approx([190, 161])
    assert shop.came_s("search")[:2] == pytest.approx([0.02, 0.04])
    assert len(shop.took_ms("nothing")) == len(shop.came_s("nothing")) == 0


def test_when_handlers_ran():
    since, until = seen().ran_s("report")
    assert (since, until) == (pytest.approx([0.3]), pytest.approx([0.5]))


def test_who_got_an_emit_and_what_waited():
    assert seen().receivers("basket") == (CLIENTS,) * 3
    assert seen(to=True).receivers("basket") == (1, 1, 1)
    assert seen().receivers("nothing") == ()
    assert seen(unsent=12).unsent_most == 12


def test_it_shows_itself_as_the_verdict_and_the_rest():
    shop = seen()
    assert "`shop/report.py:18 in bought_together` held the GIL" in repr(shop)
    assert "goes to everybody" in repr(shop)
    assert "bought_together" in shop._repr_html_()
    assert "<table" in shop._repr_html_()
