"""The quiz: what is right follows from what was measured, and explanations give its figures."""

import builtins
import dataclasses
import random
from collections import Counter

import pytest

from labkit.base.errors import MissingExtra
from labkit.claims import DOES_NOT_HOLD, HOLDS, Verdict, claims_table, quiz
from labkit.claims.judging import CLAIMS
from labkit.claims.steps import STEPS
from labkit.runs.comparison import Comparison
from tests.support import simulated


def asked(measured):
    return {each["question"]: each["answers"] for each in quiz.questions(measured, seed=1)}


def of(slug, measured):
    """The answers to a claim's question: those that are right, and what is said to all."""
    (question,) = (each for each in quiz.QUESTIONS if each.slug == slug)
    answers = asked(measured)[question.text]
    return [a["answer"] for a in answers if a["correct"]], [a["feedback"] for a in answers]


def computing(thread_ms):
    own = {"own_ms": 1000}
    return {
        "computing": simulated.comparison(
            {
                "inline": own | {"bystander_ms": 500},
                "inline-serial": {"bystander_ms": 10, "conditions": SERIAL},
                "thread": {"own_ms": thread_ms, "handler_ms": 0.1},
                "process-pool": {"bystander_ms": 1},
                "thread-broadcast": {"strays": 10},
            },
            repeats=1,
        )
    }


SERIAL = {"options": {"async_handlers": False}}


def test_there_are_nine_and_each_has_one_right_answer_by_what_was_recorded():
    answered = asked({})
    assert len(answered) == 9
    for answers in answered.values():
        assert sum(each["correct"] for each in answers) == 1
        assert all("Not measured here" in each["feedback"] for each in answers)


def test_right_is_what_was_measured_and_its_figures_are_told():
    right, said = of("thread-answers-nobody-sooner", computing(1000))
    assert right == ["About as late as without the threads"]
    assert all("Here callers waited 1000 ms under inline, 1000 ms under thread (median)." in each for each in said)
    right, said = of("thread-answers-nobody-sooner", computing(100))
    assert right == ["Clearly sooner: the threads use the other cores"]
    assert all("100 ms under thread" in each for each in said)


def a_room(bystander_ms):
    """Ten clients of one event each, on a serial server."""
    plan = simulated.burst(10, connections=10)
    own = {"plan": plan, "conditions": SERIAL, "bystander_ms": bystander_ms}
    return {"computing": Comparison((simulated.run("inline-serial", **own),))}


def test_what_a_serial_server_does_for_a_bystander_of_a_room_is_what_was_measured():
    right, said = of("serial-spares-no-room", a_room(300))
    assert right == ["Nothing: it still waits"]
    assert all("300 ms under inline-serial" in each for each in said)
    right, _ = of("serial-spares-no-room", a_room(1))
    assert right == ["It hardly waits: only one handler at a time computes"]


def test_where_it_is_another_here_reasons_for_the_usual_answer_are_not_given():
    _, said = of("thread-answers-nobody-sooner", computing(100))
    assert "There was a thread for every event already." not in " ".join(said)


def test_every_question_is_of_a_claim_that_its_step_measures():
    steps = {step.name: step.slugs for step in STEPS}
    for each in quiz.QUESTIONS:
        assert each.slug in CLAIMS
        assert each.slug in steps[each.step]
        assert all(text and why for text, _, why in each.answers)


@pytest.mark.parametrize("question", quiz.QUESTIONS, ids=lambda question: question.slug)
def test_a_question_has_four_answers_of_which_one_is_right_whatever_comes_out(question):
    assert len({text for text, _, _ in question.answers}) == 4
    said = [when for _, when, _ in question.answers]
    assert sorted(said) == sorted([quiz.IF_HOLDS, quiz.IF_NOT, quiz.NEVER_RIGHT, quiz.NEVER_RIGHT])


@pytest.mark.parametrize("status", [HOLDS, DOES_NOT_HOLD])
def test_one_answer_is_right_for_each_outcome(status):
    table = claims_table({})
    decided = {slug: Verdict(each.claim, status, 1.0) for slug, each in table.verdicts.items()}
    table = dataclasses.replace(table, lines=tuple(dataclasses.replace(line, verdicts=decided) for line in table.lines))
    figures = {each.step: None for each in quiz.QUESTIONS}
    silent = [dataclasses.replace(each, figures=lambda _: "it was measured") for each in quiz.QUESTIONS]
    for question in silent:
        answers = quiz._asked(question, table, figures, random.Random(0))["answers"]
        right = quiz.IF_HOLDS if status == HOLDS else quiz.IF_NOT
        assert [a["answer"] for a in answers if a["correct"]] == [t for t, when, _ in question.answers if when == right]


def places_of_the_right_one(seed):
    return [[a["correct"] for a in each["answers"]].index(True) for each in quiz.questions({}, seed=seed)]


def test_each_place_is_right_in_about_a_quarter_of_the_shuffles():
    """Of 1800 places each has 450 by chance, give or take 18; 80 is more than four times that."""
    table = claims_table({})
    places = Counter()
    for seed in range(200):
        for each in quiz.questions({}, table, seed=seed):
            places[[a["correct"] for a in each["answers"]].index(True)] += 1
    assert all(abs(places[place] - 450) < 80 for place in range(4))


def test_answers_come_in_the_same_order_for_the_same_seed_and_in_another_otherwise():
    assert places_of_the_right_one(1) == places_of_the_right_one(1)
    assert len({tuple(places_of_the_right_one(seed)) for seed in range(5)}) == 5


def test_without_a_seed_the_order_is_drawn_anew():
    """By chance alone, five of them would be the same once in 24 ** 36 times."""
    assert len({str(quiz.questions({}, claims_table({}))) for _ in range(5)}) > 1


def test_figures_are_of_the_runs_that_the_question_asks_about():
    """One greedy client where that is asked; the many where both were measured; serial runs where it says so."""
    greedy = simulated.burst(10, connections=1)
    runs = [
        simulated.run("inline", plan=greedy, bystander_ms=500),
        simulated.run("inline", plan=simulated.burst(10, connections=10), bystander_ms=400),
        simulated.run("inline-serial", plan=greedy, bystander_ms=10, conditions=SERIAL),
        simulated.run("inline-serial", plan=simulated.burst(10, connections=10), bystander_ms=300, conditions=SERIAL),
    ]
    result = Comparison(tuple(runs))
    serial, everybody = (
        next(q for q in quiz.QUESTIONS if q.slug == s) for s in ("serial-spares-neighbours", "neighbours-wait")
    )
    assert serial.figures(result) == "a bystander waited 500 ms under inline, 10 ms under inline-serial (median)"
    assert everybody.figures(result) == "a bystander waited 400 ms under inline (median)"
    room = next(q for q in quiz.QUESTIONS if q.slug == "serial-spares-no-room")
    assert room.figures(result) == "a bystander waited 400 ms under inline, 300 ms under inline-serial (median)"
    waits = next(q for q in quiz.QUESTIONS if q.slug == "thread-is-right-for-waiting")
    found = [
        ("inline", {}, 100),
        ("inline-serial", SERIAL, 550),
        ("thread", {}, 90),
        ("thread, async_handlers=False", SERIAL, 101),
    ]
    runs = [simulated.run(name, plan=greedy, own_ms=own, conditions=conditions) for name, conditions, own in found]
    assert waits.figures(Comparison(tuple(runs))) == (
        "callers waited 550 ms under inline-serial, 101 ms under thread (median)"
    )


def test_figures_are_told_where_one_client_and_many_were_measured_together():
    """As the set measures them: strategies have the number of clients in their names then."""
    plans = [simulated.burst(10, connections=clients) for clients in (1, 10)]
    measured = Comparison(
        tuple(
            simulated.run(name, plan=plan, mode=mode, own_ms=100 * plan.connections, strays=plan.connections)
            for plan in plans
            for name, mode in (("thread-broadcast", "threading"), ("inline", "gevent"))
        )
    )
    figures = {each.slug: each.figures for each in quiz.QUESTIONS}
    assert figures["broadcast-reaches-strangers"](measured.within("threading")) == (
        "10 answers of 10 events lay in inboxes of strangers"
    )
    assert figures["gevent-sends-at-the-end"](measured) == ("the first answer came after 100 ms, the last after 100 ms")


def test_what_was_judged_already_is_not_judged_again():
    measured = computing(100)
    assert quiz.questions(measured, claims_table(measured), seed=1) == quiz.questions(measured, seed=1)


def test_it_is_displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("jupyterquiz.display_quiz", lambda *args, **kwargs: shown.append(args[0]))
    quiz.show({}, seed=5)
    assert shown == [quiz.questions({}, seed=5)]


def test_without_jupyterquiz_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "jupyterquiz":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match="labkit\\[lab\\]"):
        quiz.show({})
