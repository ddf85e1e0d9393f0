"""What theory says of a plan, before it is measured and fed with a run of it."""

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.experiments.predict import predict
from labkit.plan.mix import mix
from labkit.plan.schedules import burst, constant
from labkit.plan.work import io_wait
from tests.support import simulated


def test_a_burst_is_answered_one_after_the_other_or_all_at_the_end():
    guess = predict(io_wait(5), burst(10))
    assert guess.service_ms == pytest.approx(5, rel=0.5)
    assert guess.fifo_ms / guess.service_ms == pytest.approx(np.arange(1, 11))
    assert guess.sharing_ms / guess.service_ms == pytest.approx(np.full(10, 10))


def test_several_servers_take_several_at_once():
    guess = predict(io_wait(5), burst(4), servers=2)
    assert guess.fifo_ms / guess.service_ms == pytest.approx([1, 1, 2, 2])
    assert guess.sharing_ms / guess.service_ms == pytest.approx([2] * 4)


def test_events_far_apart_wait_for_nobody():
    guess = predict(io_wait(1), constant(2, events=3))
    assert guess.fifo_ms / guess.service_ms == pytest.approx([1, 1, 1])


def test_events_of_a_mix_have_the_time_of_their_kind():
    work, plan = mix({"chat": (0.75, io_wait(1)), "export": (0.25, io_wait(100))}), burst(4, connections=2)
    each_ms = np.where(work.kinds_in(plan) == 1, 100, 1)
    guess = predict(work, plan)
    assert guess.fifo_ms == pytest.approx(np.cumsum(each_ms))
    assert guess.sharing_ms == pytest.approx(np.where(each_ms == 1, 4, 103))
    assert guess.service_ms == pytest.approx(25.75)


def test_a_prediction_reads_as_two_sentences_in_service_times():
    fifo, sharing = repr(predict(io_wait(5), burst(10))).splitlines()
    assert fifo.startswith("One after the other")
    assert all(text in fifo for text in ("1 service time,", "10 service times", "5.5 service times"))
    assert sharing.startswith("Sharing the processor")
    assert "10 service times" in sharing


def test_predict_fed_with_a_run_begins_each_event_when_its_work_began():
    run = simulated.run(strategy="inline", events=4, own_ms=[100, 200, 300, 400])
    fed = predict(io_wait(5), run.plan, after=run)
    began_ms = (run.events["work_start"] - run.events["intended"]) / 1e6
    assert (fed.sharing_ms >= began_ms + 4.9).all()
    assert fed.fifo_ms == pytest.approx(predict(io_wait(5), run.plan).fifo_ms)


def test_predict_fed_with_a_run_of_another_plan_is_refused():
    with pytest.raises(UsageError, match="same plan"):
        predict(io_wait(5), burst(3), after=simulated.run(events=4))
