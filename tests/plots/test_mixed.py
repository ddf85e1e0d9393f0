"""The figure of mixed traffic: every event, by its kind and by what it came during; and the sentence above it."""

import dataclasses
import math
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit.base.errors import UsageError
from labkit.plan.schedules import burst
from labkit.plots.mixed import NOTHING, OTHERS, OWN, by_kind
from labkit.plots.titles import by_kind_title
from labkit.runs.comparison import Comparison
from tests.support import simulated

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def traffic(strategy, own=(), others=(), alone=(2,), export_ms=(201,)):
    """Chat lines by their latencies: during an export of their own client, during another's, during none.

    Client 0 sends the exports, each of which is worked on from 0 to 200 ms; and the lines of `own`.
    """
    chats = [(ms, 0, 100) for ms in own] + [(ms, 1, 100) for ms in others] + [(ms, 1, 500) for ms in alone]
    rows = [(ms, 0, 0) for ms in export_ms] + chats
    own_ms, clients, read_ms = (np.array(column) for column in zip(*rows, strict=True))
    kinds = ["export"] * len(export_ms) + ["chat"] * len(chats)
    plan = dataclasses.replace(burst(len(rows), connections=2), connection=clients.astype(np.int64))
    services = [200 if kind == "export" else 1 for kind in kinds]
    run = simulated.run(strategy, plan=plan, kinds=kinds, service_ms=services, own_ms=own_ms)
    worked = {"read": read_ms, "work_start": read_ms, "work_end": read_ms + np.array(services)}
    stamps = {name: np.rint(ms * 1e6).astype(np.int64) for name, ms in worked.items()}
    return Comparison((dataclasses.replace(run, events={**run.events, **stamps}),), names=(strategy,))


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    width, _ = figure.get_size_inches() * figure.dpi
    assert width <= 831
    assert not [t for t in [figure.get_suptitle()] if "nan" in t or "inf " in t]
    return figure


def marks(axes):
    """Of each mark the latencies that are drawn with it."""
    found = {}
    for line in axes.lines:
        if line.get_linestyle() == "None" and len(line.get_xdata()):
            found.setdefault(line.get_marker(), []).extend(sorted(line.get_xdata()))
    return found


# --- the figure ---


def test_every_event_is_drawn_with_the_mark_of_what_it_came_during():
    figure = drawn(by_kind(traffic("inline", own=[40, 50], others=[20], alone=[2, 3, 4])))
    chat, export = figure.axes
    assert marks(chat) == {OWN[2]: [40, 50], OTHERS[2]: [20], NOTHING[2]: [2, 3, 4]}
    assert marks(export) == {NOTHING[2]: [201]}
    assert (chat.get_title(loc="left"), export.get_title(loc="left")) == (
        "chat: 1.0 ms of work",
        "export: 200 ms of work",
    )
    assert "ms" in chat.get_xlabel()


def test_the_three_marks_differ_in_more_than_colour():
    assert len({kind[2] for kind in (NOTHING, OTHERS, OWN)}) == 3


def test_a_row_for_each_strategy_and_kinds_from_cheap_to_dear():
    figure = drawn(by_kind(traffic("inline") + traffic("process-pool")))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["inline", "process-pool"]
    assert [axes.get_title(loc="left").partition(":")[0] for axes in figure.axes] == ["chat", "export"]


def test_the_median_and_the_work_alone_are_marked():
    chat, _ = drawn(by_kind(traffic("inline", alone=[2, 4, 8]))).axes
    lines = [sorted(set(line.get_xdata())) for line in chat.lines if line.get_linestyle() != "None"]
    assert [4.0] in lines
    assert [1.0] in [list(line) for line in lines]


def test_the_axis_shows_every_event():
    for axes in drawn(by_kind(traffic("inline", own=[4000], alone=[0.7, 2]))).axes:
        low, high = axes.get_xlim()
        assert all(low < ms < high for found in marks(axes).values() for ms in found)


def test_who_never_was_answered_is_counted():
    chat, export = drawn(by_kind(traffic("inline", alone=[2, math.inf, math.inf], export_ms=[math.inf]))).axes
    assert [text.get_text() for text in chat.texts] == ["2 never"]
    assert [text.get_text() for text in export.texts] == ["1 never"]


def test_three_kinds_have_three_panels():
    run = simulated.run(kinds=["chat", "upload", "export"], service_ms=[1, 20, 200], own_ms=[2, 30, 210])
    assert len(drawn(by_kind(Comparison((run,)))).axes) == 3


def test_runs_of_no_mix_are_a_sentence():
    with pytest.raises(UsageError, match=r"measure a lab\.mix"):
        by_kind(simulated.comparison({"inline": {}}))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ({"own": [40], "others": [20]}, {"triangle", "diamond"}),
        ({"own": [40]}, {"diamond"}),
        ({"others": [20]}, {"triangle"}),
        ({}, set()),
    ],
)
def test_the_marks_that_are_there_are_explained_and_no_others(lines, told):
    text = by_kind(traffic("inline", **lines)).get_supxlabel()
    assert {word for word in ("triangle", "diamond") if word in text} == told
    assert "an export of" in text or not told


def test_a_title_given_is_kept():
    assert by_kind(traffic("inline"), title="mine").get_suptitle() == "mine"


# --- the sentence above it ---


def test_who_lets_a_cheap_event_wait_longest_and_shortest():
    title = by_kind_title(traffic("inline", alone=[2, 60]) + traffic("process-pool", alone=[2, 300]))
    assert title == "A chat of 1.0 ms takes 300 ms (max) under process-pool, 60 ms under inline."


def test_less_than_twice_is_no_difference():
    title = by_kind_title(traffic("inline", alone=[2, 60]) + traffic("process-pool", alone=[2, 119]))
    assert title == "A chat of 1.0 ms takes 119 ms (max) under process-pool."


def test_behind_an_export_of_ones_own_is_told_where_it_is_longer_than_behind_anothers():
    serial = traffic("inline-serial", own=[150] * 3, others=[20] * 3)
    assert by_kind_title(serial + traffic("inline", own=[30] * 3, others=[20] * 3)).splitlines()[1:] == [
        "Under inline-serial: 150 ms during its own client's export, 20 ms during another's (median)."
    ]


@pytest.mark.parametrize(
    ("own", "others"), [([39] * 3, [20] * 3), ([150] * 2, [20] * 3), ([150] * 3, [20] * 2), ([150] * 3, [])]
)
def test_a_difference_that_is_small_or_of_few_events_is_not_told(own, others):
    assert "\n" not in by_kind_title(traffic("inline-serial", own=own, others=others))


def test_a_line_during_both_is_counted_with_those_of_its_own_client_alone():
    (run,) = traffic("inline-serial", own=[150] * 4, others=[20] * 3, export_ms=[201, 201]).runs
    clients = np.where(run.plan.connection == 1, 2, run.plan.connection)
    clients[1] = 1  # the second export is of a third client, and under way at the same time
    both = dataclasses.replace(run, plan=dataclasses.replace(run.plan, connection=clients, connections=3))
    assert by_kind_title(Comparison((both,))).endswith(
        "Under inline-serial: 150 ms during its own client's export, 20 ms during another's (median)."
    )


def test_never_is_said_and_no_infinite_number():
    title = by_kind_title(traffic("inline", alone=[2, math.inf]) + traffic("process-pool", alone=[2, 3]))
    assert title == "A chat of 1.0 ms takes for ever (max) under inline, 3.0 ms under process-pool."
