"""Claims on the page: what events do to rendering, and what a server's handler can and cannot do to it.

Counts are those of the exact pass, frame by frame, and are compared exactly. What is compared in real time is the same
machine's other runs.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit.browser.passes import SHORTEST_MS, Exact, Timed
from labkit.browser.rendering import Measured, Rendering
from labkit.browser.trace.main_thread import LONG_MS
from labkit.claims.claim import ONE, Claim
from labkit.claims.evidence import Untestable
from labkit.runs.summary import Distribution

#: How tests and notebooks name the two heavy handlers that are compared, and the way that both are measured beside.
SERVER_HEAVY, PAGE_HEAVY, NEITHER = "heavy server handler", "heavy page handler", "neither"

#: What the advice calls A and B, by the strategies that answer the clicks: B as it is written, or repaired.
A, B = ("inline",), ("thread", "thread-broadcast")


def of_way(result: Rendering, name: str) -> Measured:
    for each in result.measured:
        if each.name == name:
            return each
    raise Untestable("; ".join(result.problems) or f"needs {name!r} measured in a browser")


def _answered_by(result: Rendering, strategies: tuple[str, ...]) -> Measured:
    """The way whose clicks these strategies answer, by whatever name it is shown.

    Not the one that computes in the page, nor the one that computes nowhere.
    """
    found = [
        each
        for each in result.measured
        if each.settings.get("strategy") in strategies
        and not each.settings.get("click_block_ms")
        and each.name != NEITHER
    ]
    if len(found) == 1:
        return found[0]
    wanted = f"needs clicks that {' or '.join(strategies)} answers, measured in a browser"
    raise Untestable("; ".join(result.problems) or (f"{wanted}, one way of them" if found else wanted))


def exact_pass(result: Rendering, name: str) -> Exact:
    exact = of_way(result, name).exact
    if exact is None:
        raise Untestable("; ".join(result.problems) or "needs the exact pass")
    return exact


def known(value: float, what: str) -> float:
    if math.isnan(value):
        raise Untestable(f"{what} was not measured")
    return value


def _one_layout_a_frame(result: Rendering) -> float:
    pair = [exact_pass(result, name) for name in ("naive", "dom-batch")]
    return float(all(e.layouts == e.frames and e.forced_layouts == 0 and e.events_per_frame > 1 for e in pair))


def _reads_force(result: Rendering) -> float:
    exact = exact_pass(result, "forced")
    return float(exact.forced_layouts == exact.frames * exact.events_per_frame)


def _fewer_operations(result: Rendering) -> float:
    return exact_pass(result, "naive").dom_ops / exact_pass(result, "dom-batch").dom_ops / 2


def _server_batches_less(result: Rendering) -> float:
    naive, batched = (
        known(
            float(np.median(values)) if len(values := of_way(result, name).values("layouts")) else math.nan, "layouts"
        )
        for name in ("naive", "server-batch-50")
    )
    return naive / batched / 1.5


def _server_batches_later(result: Rendering) -> float:
    naive, batched = (
        known(of_way(result, name).pooled("staleness_ms").p50_ms, "staleness") for name in ("naive", "server-batch-50")
    )
    # On average an update waits half of the window; a third of that is the bound.
    return (batched - naive) / (50 / 2 / 3)


def _inp(each: Measured) -> float:
    """INP, where one too short to be told (it is None, or 0) counts as the shortest that is."""
    if not any(len(run.clicks["intended"]) for run in each.sound):
        raise Untestable(f"nobody clicked in {each.name!r}")
    values = each.values("inp_ms")
    return float(np.median(np.fmax(values, float(SHORTEST_MS))))


def _page_decides(result: Rendering) -> float:
    named = any(each.name == SERVER_HEAVY for each in result.measured)
    server = of_way(result, SERVER_HEAVY) if named else _answered_by(result, A)
    return _inp(of_way(result, PAGE_HEAVY)) / _inp(server) / 4


def _script_ruins(result: Rendering) -> float:
    return _inp(of_way(result, PAGE_HEAVY)) / _inp(of_way(result, NEITHER)) / 4


def _result_waits(result: Rendering) -> float:
    heavy, neither = (
        known(of_way(result, name).pooled("click_to_result_ms").p50_ms, "click to result")
        for name in (SERVER_HEAVY, NEITHER)
    )
    return heavy / neither / 4


def _nobody_sooner(result: Rendering) -> float:
    a, b = (known(_result_in_work(_answered_by(result, letter)), "click to result") for letter in (A, B))
    return b / a / 0.6


def _result_in_work(each: Measured) -> float:
    """The median click to result in CPU times of the work, each in its own run's; in ms where work only waits."""
    waited = [run.click_to_result_ms / max(run.work_cpu_ms or 0.0, 1.0) for run in each.sound]
    return Distribution.of(np.concatenate(waited)).percentile(50) if waited else math.nan


def _script_holds(result: Rendering) -> float:
    blocked, naive = (
        known(of_way(result, name).pooled("staleness_ms").percentile(95), "staleness")
        for name in ("naive, slow script", "naive")
    )
    return blocked / naive / 3


def _trace_tells(result: Rendering) -> float:
    each = of_way(result, PAGE_HEAVY)
    clicks = max((len(run.clicks["intended"]) for run in each.runs), default=0)
    if each.explained is None or clicks == 0:
        raise Untestable("needs the explained pass, and clicks")
    return each.explained.long_tasks / clicks


def _trace_shows_no_server(result: Rendering) -> float:
    """Less than half of the clicks: a long task or two may come of a busy machine, one for every click may not."""
    each = of_way(result, SERVER_HEAVY)
    clicks = max((len(run.clicks["intended"]) for run in each.runs), default=0)
    if each.explained is None or clicks == 0:
        raise Untestable("needs the explained pass, and clicks")
    return float(2 * each.explained.long_tasks < clicks)


def _frames_and_tasks_agree(result: Rendering) -> float:
    """Whether both witnesses report every click of the way whose handler computes in the page."""
    each = of_way(result, PAGE_HEAVY)
    if not each.sound:
        raise Untestable("; ".join(result.problems) or "needs the timed pass")
    if not all(run.tells_long_frames for run in each.sound):
        raise Untestable("needs a browser that tells long animation frames")
    long = [(run, one) for run in each.sound for one in run.interactions if one.get("processing_ms", 0) > LONG_MS]
    if not long:
        raise Untestable(f"needs clicks whose handler in the page computes for more than {LONG_MS} ms")
    return float(sum(_both_tell(*one) for one in long) == sum(len(run.clicks["intended"]) for run in each.sound))


def _both_tell(run: Timed, click: Mapping[str, Any]) -> bool:
    """Whether a long task, and a long animation frame with a script of the page's, lie where its handler ran."""
    begin = click["start_ms"] + click["input_delay_ms"]
    end = begin + click["processing_ms"]

    def there(start_ms: float, duration_ms: float) -> bool:
        # Half of the handler at least: a task or a frame that only touches it tells of something else.
        return bool(min(end, start_ms + duration_ms) - max(begin, start_ms) >= (end - begin) / 2)

    scripts = (script for frame in run.long_frames for script in frame["scripts"])
    return any(there(*task) for task in run.long_tasks) and any(
        there(script["start_ms"], script["duration_ms"]) and script["source"] == "page.js" for script in scripts
    )


CLAIMS = (
    Claim(
        slug="one-layout-a-frame",
        lines=(7, 8, 12),
        quote="Several reflows where the DOM is updated repeatedly; batched, a single reflow a batch.",
        sentence="Many updates within one frame cost one layout, whether or not the page batches them.",
        reading="page",
        condition="naive and dom-batch, twenty events in each of ten frames",
        margin="exactly as many layouts as frames; theory: the browser lays out once a frame",
        judge=_one_layout_a_frame,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="reading-geometry-forces-layout",
        lines=(7,),
        quote="High paint cost from frequent layout changes.",
        sentence="Reading geometry after a write forces a layout for every single event.",
        reading="page",
        condition="forced, twenty events in each of ten frames",
        margin="exactly as many forced layouts as events (forced synchronous layout)",
        judge=_reads_force,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="batching-cuts-dom-operations",
        lines=(7, 8, 12),
        quote="DOM operations batched.",
        sentence="Batching in the page does cut DOM operations to less than half, without cutting layouts.",
        reading="page",
        condition="naive and dom-batch, twenty events in each of ten frames",
        margin="at most half of the mutation records; theory: a frame writes counter, bar and list once",
        judge=_fewer_operations,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="server-batching-saves-layouts",
        lines=(1, 8, 12),
        quote="Batch DOM updates triggered by events to minimise reflows.",
        sentence="Batching on the server saves layouts that batching in the page cannot.",
        reading="page",
        condition="steady events at several a frame, naive and server-batch-50",
        margin="layouts of naive at least 1.5 times; theory: twenty messages a second against up to sixty frames",
        judge=_server_batches_less,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="server-batching-costs-staleness",
        lines=(8, 12),
        quote="Batch DOM updates triggered by events to minimise reflows.",
        sentence="What batching on the server saves is paid for with staler updates.",
        reading="page",
        condition="steady events at several a frame, naive and server-batch-50",
        margin="median staleness longer by a sixth of the window; theory: by half of it",
        judge=_server_batches_later,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="page-decides-inp",
        lines=(2, 3, 4, 6, 11, 13),
        quote="A causes input delay and poor INP.",
        sentence="A heavy handler on the server leaves INP as it is; the same weight in the page's handler ruins it.",
        reading="page",
        condition="trusted clicks; the same computing time in the server's handler and in the page's",
        margin="INP at least 4 times longer under the page's; theory: the page never waits for the server",
        judge=_page_decides,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="script-in-page-ruins-inp",
        lines=(10, 11),
        quote="The bottleneck is JavaScript execution; the Core Web Vital affected is INP.",
        sentence="Script that computes in the page's own click handler does ruin INP.",
        reading="page",
        condition="trusted clicks, with and without script that computes in the page's handler",
        margin="INP at least 4 times longer with it; theory: the next paint waits for the script",
        judge=_script_ruins,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="result-waits-for-server",
        lines=(3, 10),
        quote="A therefore causes UI lag and delayed responses.",
        sentence="What a heavy handler on the server does delay is the result of the click.",
        reading="page",
        condition="trusted clicks, from click to the answer's paint",
        margin="click to result at least 4 times longer than with a light handler",
        judge=_result_waits,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="thread-shows-nobody-sooner",
        lines=(6,),
        quote="B improves responsiveness and reduces input delay.",
        sentence="With computing work, B shows nobody their result sooner than A does.",
        reading="page",
        condition="clicks faster than they are answered, A (inline) and B (thread), to the answer's paint",
        margin="B's median click to result at least 0.6 of A's, each in CPU time of the work of its own run, so that a "
        "core that is slowed for a while does not count; theory: equal, since the same work shares the same GIL; a "
        "second core would bring half",
        judge=_nobody_sooner,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="script-holds-the-pipeline",
        lines=(1, 9, 10),
        quote="Slow event processing delays style, layout and paint; the bottleneck is JavaScript execution.",
        sentence="While the page's own script computes for each update, what is shown grows stale.",
        reading="page",
        condition="steady events, naive, with and without script that computes for each update",
        margin="staleness p95 at least 3 times longer; theory: more script is offered than a second holds",
        judge=_script_holds,
        takes=Rendering,
        who=ONE,
    ),
    Claim(
        slug="trace-shows-long-tasks",
        lines=(14,),
        quote="Record a session in the Performance panel, then look for long tasks that delay input.",
        sentence="A recording shows a long task for every heavy click handler.",
        reading="page",
        condition="trusted clicks with a handler that computes in the page, recorded",
        margin="at least as many long tasks as clicks",
        judge=_trace_tells,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="trace-shows-no-server-handler",
        lines=(14,),
        quote="Record a session in the Performance panel, then look for long tasks that delay input.",
        sentence="A recording shows nothing of a heavy handler on the server: there is no long task to find.",
        reading="page",
        condition="trusted clicks whose events a heavy handler on the server answers, recorded",
        margin="long tasks for less than half of the clicks; theory: none, since no script waits for the server",
        judge=_trace_shows_no_server,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
    Claim(
        slug="frames-and-tasks-agree",
        lines=(14,),
        quote="Record a session in the Performance panel, then look for long tasks that delay input.",
        sentence="Two witnesses report every click whose handler computes in the page: a long task, and a long "
        "animation frame that names the script.",
        reading="page",
        condition="trusted clicks with a handler that computes in the page; a browser that tells long animation frames",
        margin="both for every click; theory: a handler of more than 50 ms is a long task, and keeps its frame as long",
        judge=_frames_and_tasks_agree,
        takes=Rendering,
        who=ONE,
        exact=True,
    ),
)
