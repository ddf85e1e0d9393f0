"""The quiz: what is right follows from what was measured, and explanations give its figures."""

import builtins

import pytest

from labkit.base.errors import MissingExtra
from labkit.claims import claims_table, quiz
from labkit.claims.judging import CLAIMS
from labkit.claims.steps import STEPS
from tests.support import simulated


def asked(measured):
    return {each["question"]: each["answers"] for each in quiz.questions(measured)}


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


def test_there_are_eight_and_each_has_one_right_answer_by_what_was_recorded():
    answered = asked({})
    assert len(answered) == 8
    for answers in answered.values():
        assert sum(each["correct"] for each in answers) == 1
        assert all("Not measured here" in each["feedback"] for each in answers)


def test_right_is_what_was_measured_and_its_figures_are_told():
    right, said = of("thread-answers-nobody-sooner", computing(1000))
    assert right == ["About as late as before"]
    assert all("Here callers waited 1000 ms under inline, 1000 ms under thread (median)." in each for each in said)
    right, said = of("thread-answers-nobody-sooner", computing(100))
    assert right == ["Several times sooner"]
    assert all("100 ms under thread" in each for each in said)


def test_where_it_is_another_here_reasons_for_the_usual_answer_are_not_given():
    _, said = of("thread-answers-nobody-sooner", computing(100))
    assert "There was a thread for every event already." not in " ".join(said)


def test_every_question_is_of_a_claim_that_its_step_measures():
    steps = {step.name: step.slugs for step in STEPS}
    for each in quiz.QUESTIONS:
        assert each.slug in CLAIMS
        assert each.slug in steps[each.step]
        assert [when for _, when, _ in each.answers].count(quiz.IF_HOLDS) == 1
        assert all(text and why for text, _, why in each.answers)


def test_what_was_judged_already_is_not_judged_again():
    measured = computing(100)
    assert quiz.questions(measured, claims_table(measured)) == quiz.questions(measured)


def test_it_is_displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("jupyterquiz.display_quiz", lambda *args, **kwargs: shown.append(args[0]))
    quiz.show({})
    assert shown == [quiz.questions({})]


def test_without_jupyterquiz_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "jupyterquiz":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match="labkit\\[lab\\]"):
        quiz.show({})
