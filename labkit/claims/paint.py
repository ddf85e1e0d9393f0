"""Claims on what painting a page costs, and on what waiting for a frame saves, batched, conflated or one by one."""

import math

from labkit.browser.frontier import FRAME_MS, FRAMES_HZ
from labkit.browser.passes import Exact
from labkit.browser.rendering import Rendering
from labkit.claims.claim import ONE, Claim
from labkit.claims.evidence import Untestable
from labkit.claims.page import exact_pass, known, of_way


def _pair_in_frames(result: Rendering, other: str) -> tuple[Exact, Exact]:
    """naive and another way, both painted with several updates in each frame."""
    naive, than = exact_pass(result, "naive"), exact_pass(result, other)
    if naive.paints is None or than.paints is None or naive.paint_ms is None or than.paint_ms is None:
        raise Untestable("needs what was painted, which an older labkit did not count: measure again")
    if min(naive.events_per_frame, than.events_per_frame) < 2:
        raise Untestable("needs several updates in each frame")
    return naive, than


def _paints_as_often(result: Rendering) -> float:
    naive, batched = _pair_in_frames(result, "dom-batch")
    painted = naive.paints is not None and naive.paints >= naive.frames
    return float(painted and (naive.paints, naive.raster_tasks) == (batched.paints, batched.raster_tasks))


def _saves_no_paint(result: Rendering) -> float:
    naive, batched = _pair_in_frames(result, "dom-batch")
    return (batched.paint_ms or 0.0) / (naive.paint_ms or math.nan) / 0.5


def _less_paints_less(result: Rendering) -> float:
    naive, conflated = _pair_in_frames(result, "conflate")
    return (naive.paint_ms or 0.0) / (conflated.paint_ms or math.nan) / 1.5


def _few_saves_nothing(result: Rendering) -> float:
    naive, batched = (exact_pass(result, name) for name in ("naive", "dom-batch"))
    if (naive.events_per_frame, batched.events_per_frame) != (1, 1):
        raise Untestable("needs the exact pass with one update in each frame")
    return float(naive == batched and naive.layouts == naive.frames)


def _few_costs_nothing(result: Rendering) -> float:
    pair = [of_way(result, name) for name in ("naive", "dom-batch")]
    for each in pair:
        per_frame = float(each.settings["rate_hz"]) / FRAMES_HZ
        if not 0 < per_frame < 1 or abs(1 / per_frame - round(1 / per_frame)) < 0.05:
            raise Untestable("needs fewer updates than frames, at a rate that does not divide the frame rate: 29, say")
    naive_ms, batched_ms = (known(each.pooled("in_page_ms").p50_ms, "an update's wait in the page") for each in pair)
    # Two that are equal to the tenth that the page's clock shows are not told apart.
    return FRAME_MS / 2 / max(abs(batched_ms - naive_ms), 0.1)


CLAIMS = (
    Claim(
        slug="batching-paints-as-often",
        lines=(7, 8),
        quote="Batched: lower paint cost from fewer layout changes.",
        sentence="Batching in the page paints exactly as often as writing each update: once for every layer and frame.",
        reading="page",
        condition="naive and dom-batch, twenty events in each of ten frames",
        margin="exactly as many paints and tiles; theory: the browser paints once a frame, from the same document",
        judge=_paints_as_often,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="batching-saves-no-paint",
        lines=(8,),
        quote="Batched: lower paint cost from fewer layout changes.",
        sentence="Painting a frame takes no less time where its updates were batched in the page.",
        reading="page",
        condition="naive and dom-batch, twenty events in each of ten frames; pre-paint, paint and layerize",
        margin="dom-batch's median frame at least half of naive's; theory: equal, since both show the same rows; were "
        "every write painted, a batch would save nineteen of twenty",
        judge=_saves_no_paint,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="writing-less-paints-less",
        lines=(8,),
        quote="Batched: lower paint cost from fewer layout changes.",
        sentence="What makes painting cheaper is to change less: the newest value of each key, in its own row.",
        reading="page",
        condition="naive and conflate, twenty events on ten keys in each of ten frames; pre-paint, paint and layerize",
        margin="naive's median frame at least 1.5 times conflate's; theory: twice, for twice as many rows are written, "
        "and more, since all rows below them move",
        judge=_less_paints_less,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="raf-saves-nothing-for-one",
        lines=(),
        quote="Batch DOM updates triggered by events to minimise reflows.",
        sentence="Where a frame has one update, waiting for requestAnimationFrame saves no operation, layout or paint.",
        reading="page",
        condition="naive and dom-batch, one event in each of ten frames",
        margin="exactly the same counts; theory: a batch of one is that one",
        judge=_few_saves_nothing,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="raf-costs-nothing-for-one",
        lines=(),
        quote="(nothing is said of what waiting for requestAnimationFrame costs)",
        sentence="Where a frame has one update, waiting for requestAnimationFrame makes nothing staler: either way the "
        "next frame shows it.",
        reading="page",
        condition="naive and dom-batch, fewer updates than frames, at a rate that does not divide the frame rate",
        margin="median wait in the page, from received to painted, within half a frame of each other; theory: equal, "
        "since a write waits for the frame just as the callback does",
        judge=_few_costs_nothing,
        takes=Rendering,
        who=ONE,
    ),
)
