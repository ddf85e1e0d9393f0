"""The example job is as large as this machine allows: on machines that a timing function makes up."""

import pickle

import pytest

from labkit.plan import prices, schedules
from labkit.plan.work import similar_prices
from labkit.ui.commands.example_job import AT_MOST_S, EVENT_MS, REPEATS, sized

TEN = schedules.burst(10)
STRATEGIES = 8


def job_on(whole_ms):
    """On a machine on which an event that looks at the whole history takes so many ms."""
    return sized(lambda call: whole_ms * (300 - 49) / (1047 - 247 // 2 - 49))


def fitted(plan, strategies, repeats=None, mode="threading", *, whole_ms):
    """As if the calibration found just what was expected."""
    job = job_on(whole_ms)
    return job.fitted(job.size.event_ms, plan, strategies, repeats, mode)


@pytest.mark.parametrize("whole_ms", [5, 40, 80, 110, 129])
def test_a_machine_that_is_fast_enough_looks_at_everything(whole_ms):
    assert job_on(whole_ms).work == similar_prices()
    sentence = fitted(TEN, STRATEGIES, whole_ms=whole_ms).sentence
    assert sentence.startswith(f"One event costs about {whole_ms} ms here: the job looks at all 1,047 days")


@pytest.mark.parametrize("whole_ms", [140, 180, 230, 400, 800])
def test_a_slow_machine_looks_at_fewer_days_so_that_an_event_costs_about_as_much(whole_ms):
    size = job_on(whole_ms).size
    assert 0.7 * EVENT_MS <= size.event_ms <= EVENT_MS
    assert size.whole_ms == pytest.approx(whole_ms)
    assert job_on(whole_ms).work.name == f"prices:{size.past}days"


@pytest.mark.parametrize("whole_ms", [5, 80, 129, 180, 230, 400, 800, 1500])
def test_whatever_the_machine_the_default_is_planned_within_the_limit_or_is_one_run_of_each(whole_ms):
    job = fitted(TEN, STRATEGIES, whole_ms=whole_ms)
    assert 1 <= job.repeats <= REPEATS
    assert job.seconds <= AT_MOST_S or job.repeats == 1
    assert f"about {job.seconds:.0f} s" in job.sentence


def test_fewer_repeats_only_where_three_take_too_long():
    assert [fitted(TEN, STRATEGIES, whole_ms=ms).repeats for ms in (80, 230, 800)] == [3, 2, 1]
    assert fitted(TEN, 2, whole_ms=800).repeats == 3


def test_fewer_repeats_are_said_with_how_to_ask_for_more():
    job = fitted(TEN, STRATEGIES, whole_ms=230)
    assert "2 runs of each strategy: about 40 s, since 3 would take 58 s (--repeats 3)." in job.sentence
    assert "since" not in fitted(TEN, STRATEGIES, whole_ms=80).sentence


@pytest.mark.parametrize("repeats", [1, 3, 20])
def test_repeats_that_are_asked_for_are_made(repeats):
    job = fitted(TEN, STRATEGIES, repeats, whole_ms=800)
    assert job.repeats == repeats
    assert "--repeats" not in job.sentence


def test_a_server_in_another_process_takes_longer_to_start():
    here, elsewhere = (fitted(TEN, STRATEGIES, 3, mode, whole_ms=80).seconds for mode in ("threading", "gevent"))
    assert elsewhere > here + 20


def test_a_plan_that_lasts_is_counted():
    steady = fitted(schedules.constant(1, events=11), 1, 1, whole_ms=80).seconds
    assert steady > 10 + 11 * 0.08


def test_the_sized_job_can_go_to_another_process_and_answers_as_its_twin_does():
    work = pickle.loads(pickle.dumps(similar_prices(past=300).function))
    day = prices.day_payload(1000)
    assert work(day) == prices.most_similar_numpy(day, past=300)


def test_what_the_calibration_finds_counts_and_not_what_was_expected():
    """It is of ten calls and more, and so it sees a busy machine better than the choice of the size did."""
    job = job_on(80)
    assert job.fitted(80, TEN, STRATEGIES).repeats == 3
    busy = job.fitted(200, TEN, STRATEGIES)
    assert (busy.repeats, busy.sentence.startswith("One event costs about 200 ms here")) == (1, True)


def test_while_events_arrive_earlier_ones_are_worked_on():
    """Forty events of 80 ms are 3.2 s of work: within four seconds of arrivals they cost no time of their own."""
    job = fitted(schedules.constant(10, seconds=4, connections=10), 1, 1, whole_ms=80)
    assert job.seconds == pytest.approx(4 + 0.4 + 3.9 + 2 * 0.08)
    job = fitted(schedules.constant(20, seconds=2, connections=10), 1, 1, whole_ms=80)
    assert job.seconds == pytest.approx(4 + 0.4 + 40 * 0.08 + 2 * 0.08)
