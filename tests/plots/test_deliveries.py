"""The figures of a kill -9: the title is the finding, the bars are the shares, the counts stand beside."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.base.errors import UsageError
from tests.support.delivered import delivered


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def whole(strategy="celery-zero-loss", fault="workers"):
    return delivered(strategy, fault, lost=0, late=4, outbox=True, duplicates=2, resubmissions=5)


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def test_rows_are_faults_and_settings_and_bars_are_shares():
    axes = plots.delivery([delivered(fault="server", lost=2), whole(fault="server"), delivered(), whole()]).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "workers   celery", "workers   celery-zero-loss", "server   celery", "server   celery-zero-loss",
    ]  # fmt: skip
    answered, late, lost = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert np.allclose(np.add(np.add(answered, late), lost), 100)
    assert np.allclose(lost, [10, 0, 100 * 2 / 11, 0])
    told = [text.get_text() for text in axes.texts]
    assert told[:6] == ["1", "0", "0", "0", "2", "5"]


def test_the_title_says_who_lost_how_much_and_when_and_who_nothing():
    found = title(plots.delivery([delivered(), whole(), delivered(fault="redis", answered=2, late=0, lost=8)]))
    assert found == (
        "celery lost up to 80% of the events when Redis that keeps nothing on disk was killed; "
        "celery-zero-loss lost none of 10 events in 1 run"
    )


def test_runs_of_one_setting_count_together_and_an_unusual_client_is_named():
    axes = plots.delivery([delivered(), delivered(lost=3), delivered(outbox=True)]).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["workers   celery", "workers   celery, an outbox"]
    assert axes.texts[0].get_text() == "4"


def test_one_result_is_enough_and_none_is_a_sentence():
    assert title(plots.delivery(delivered())).startswith("celery lost 10% of the events")
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.delivery([])


def test_over_time_each_event_is_there_and_the_fault_is_a_line():
    found = delivered()
    figure = plots.delivery_times(found)
    axes = figure.axes[0]
    assert title(figure) == "celery lost 1 of 10 events when the whole worker group was killed"
    marks = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert {label.split()[1].strip(":"): len(line.get_xdata()) for label, line in marks.items()} == {
        "answered": 6, "late": 3, "lost": 1,
    }  # fmt: skip
    assert found.fault_ms / 1000 in [line.get_xdata()[0] for line in axes.lines]
    assert "the longest wait was" in title(plots.delivery_times(whole()))
    assert len(plots.delivery_times(delivered(fault="none", late=0, lost=0)).axes[0].lines) == 1
