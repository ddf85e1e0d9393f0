"""Painting frame by frame, from traces made by hand."""

import json

import pytest

from labkit.browser.trace import frames
from tests.browser.trace.test_reader import PID, TID, event, renderer


@pytest.fixture
def read(tmp_path):
    def reading(*events):
        path = tmp_path / "trace.json"
        path.write_text(json.dumps([*renderer(), *events]))
        return frames.read(path)

    return reading


def frame(start_ms, *, paint_ms):
    """One whose pre-paint takes 1 ms, each of two paints half of `paint_ms`, layerize 0.5 ms, and commit 7."""
    return [
        event("RunTask", start_ms, 50),
        event("BeginMainThreadFrame", start_ms + 1, ph="I"),
        event("Layout", start_ms + 2, 3),
        event("PrePaint", start_ms + 5, 1),
        event("Paint", start_ms + 10, paint_ms / 2),
        event("Paint", start_ms + 20, paint_ms / 2),
        event("Layerize", start_ms + 30, 0.5),
        event("Commit", start_ms + 31, 7),
    ]


def test_a_frame_costs_what_painting_took_without_the_commit_that_waits(read):
    found = read(*frame(0, paint_ms=4), *frame(100, paint_ms=6), *frame(200, paint_ms=12))
    assert found.frame_ms == pytest.approx((5.5, 7.5, 13.5))
    assert found.median_ms == pytest.approx(7.5)
    assert found.paints == 6


def test_tiles_are_counted_on_all_threads_of_the_page_and_of_no_other(read):
    tile = {"ph": "X"}
    found = read(
        *frame(0, paint_ms=4),
        event("RasterTask", 40, 1, tid=TID + 1, **tile),
        event("RasterTask", 41, 1, tid=TID + 2, **tile),
        event("RasterTask", 41, 1, pid=PID + 5, tid=TID + 2, **tile),
    )
    assert found.raster_tasks == 2


def test_what_is_painted_before_the_first_frame_belongs_to_none(read):
    found = read(event("RunTask", 0, 5), event("Paint", 1, 2), *frame(100, paint_ms=6))
    assert found.frame_ms == pytest.approx((7.5,))
    assert found.paints == 3
    nothing = read(event("RunTask", 0, 5), event("Layout", 1, 1))
    assert (nothing.frame_ms, nothing.median_ms, nothing.paints, nothing.raster_tasks) == ((), None, 0, 0)
