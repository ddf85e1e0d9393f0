"""The quiz: the advice's question in other words, two of its kind, and five that only who measured can answer.

What is right is decided by the reader's own measurements; explanations give their figures. A question whose claim was
not testable here is answered by what was recorded, and says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import MissingExtra
from labkit.base.text import about
from labkit.claims.claim import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Verdict
from labkit.claims.judging import CLAIMS
from labkit.claims.table import ClaimsTable, claims_table

#: When an answer is right: the claim holds, it does not, or never.
IF_HOLDS, IF_NOT, NEVER_RIGHT = "holds", "does not", "never"


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes:
        text: as asked.
        slug: of the claim that decides it.
        step: whose measurement the figures are from.
        answers: each with when it is right, and why or why not.
        figures: from that measurement to a sentence with its numbers.
    """

    text: str
    slug: str
    step: str
    answers: tuple[tuple[str, str, str], ...]
    figures: Callable[[Any], str]


def _waits(mode: str = "", **names: str) -> Callable[[Any], str]:
    """The medians of some strategies: ``bystander="inline; process-pool"``."""
    ((what, listed),) = names.items()
    who = {"own": "callers", "bystander": "a neighbour"}[what]

    def told(result: Any) -> str:
        within = result.within(mode) if mode else result
        medians = (
            f"{about(getattr(within[name], what).p50_ms)} under {name}"
            for name in listed.split("; ")
            if name in within.strategies
        )
        return f"{who} waited {', '.join(medians)} (median)"

    return told


def _strays(result: Any) -> str:
    b = result["thread-broadcast"]
    return f"{b.strays} answers of {b.events} events lay in inboxes of strangers"


def _first_and_last(result: Any) -> str:
    own_ms = result.within("gevent").of("inline")[0].own_ms
    return f"the first answer came after {about(float(own_ms.min()))}, the last after {about(float(own_ms.max()))}"


def _layouts(result: Any) -> str:
    exact = result["naive"].exact
    each = exact.layouts / exact.frames
    return f"{exact.events_per_frame} updates in each of {exact.frames} frames, and {each:g} layout a frame"


_NEIGHBOURS = "Everybody waits who shares the server's process"

QUESTIONS = (
    Question(
        "An event handler of a Flask-SocketIO server computes for long. What is the trouble with that?",
        "neighbours-wait",
        "computing",
        (
            (_NEIGHBOURS, IF_HOLDS, "All its threads share one GIL."),
            ("Messages take longer on the network", NEVER_RIGHT, "They are as long, and travel as fast."),
            ("The page reacts late to a click", NEVER_RIGHT, "INP is the page's own: it paints without the server."),
            ("Nobody but its own caller notices", IF_NOT, "A neighbour who only pings says otherwise."),
        ),
        _waits(bystander="inline; process-pool"),
    ),
    Question(
        "The handler starts a thread and returns at once. When do its callers have their answers, of ten at once?",
        "thread-answers-nobody-sooner",
        "computing",
        (
            ("About as late as before", IF_HOLDS, "There was a thread for every event already."),
            ("Several times sooner", IF_NOT, "What returns sooner is the handler, not the answer."),
            ("At once", NEVER_RIGHT, "The work has still to be done."),
        ),
        _waits(own="inline; thread"),
    ),
    Question(
        "Twenty updates arrive within one frame, and the page writes each as it comes. How often is it laid out?",
        "one-layout-a-frame",
        "page, counted",
        (
            ("Once", IF_HOLDS, "Layout waits for the frame, unless geometry is read in between."),
            ("Twenty times", IF_NOT, "Only reading geometry after a write forces a layout."),
            ("Not at all", NEVER_RIGHT, "What has changed has to be laid out before it is painted."),
        ),
        _layouts,
    ),
    Question(
        "Computing work again. Which setting is the better neighbour?",
        "serial-spares-neighbours",
        "computing",
        (
            ("async_handlers=False", IF_HOLDS, "One thread wants the GIL instead of ten."),
            ("The default", IF_NOT, "Ten threads want the GIL, and a ping has to queue behind them."),
            ("There is no difference", NEVER_RIGHT, "It is the largest that a single setting makes."),
        ),
        _waits(bystander="inline; inline-serial"),
    ),
    Question(
        "The work waits, and async_handlers=False. Does the thread help its callers?",
        "thread-is-right-for-waiting",
        "waiting",
        (
            ("Yes", IF_HOLDS, "Waits overlap, and nothing is shared."),
            ("No", IF_NOT, "This is the one case in which it does."),
        ),
        _waits(own="inline-serial; thread, async_handlers=False"),
    ),
    Question(
        "The thread answers with socketio.emit('response', result), as the advice has it. Who gets the answer?",
        "broadcast-reaches-strangers",
        "computing",
        (
            ("Everybody who is connected", IF_HOLDS, "Outside of a handler there is no caller; to=sid names one."),
            ("Its caller", IF_NOT, "A thread has no request, and emit no one to answer."),
            ("Nobody", NEVER_RIGHT, "It is sent, and to all."),
        ),
        _strays,
    ),
    Question(
        "Ten handlers compute under gevent, one after the other. When does the first answer leave?",
        "gevent-sends-at-the-end",
        "modes, computing",
        (
            ("With the last", IF_HOLDS, "What sends it gets its turn when no handler is left."),
            ("When its handler is done", IF_NOT, "Nobody gives way before all handlers have returned."),
        ),
        _first_and_last,
    ),
    Question(
        "Another process computes. How much shorter do neighbours wait than behind the handler that computes itself?",
        "processes-spare-neighbours",
        "computing",
        (
            ("Many times shorter", IF_HOLDS, "That process has a GIL of its own."),
            ("Half as long", NEVER_RIGHT, "That would be a second core; this is a GIL that nobody holds."),
            ("Not at all", IF_NOT, "A thread of the same process would change nothing; a process does."),
        ),
        _waits(bystander="inline; process-pool"),
    ),
)


def questions(measured: Mapping[str, Any], table: ClaimsTable | None = None) -> list[dict[str, Any]]:
    """The quiz as jupyterquiz takes it: a list of questions with their answers.

    Args:
        measured: by the name of a step what it measured; as of :func:`labkit.claims.measure`.
        table: the same, judged; made here where None.
    """
    judged = claims_table(measured) if table is None else table
    return [_asked(each, judged, measured) for each in QUESTIONS]


def show(measured: Mapping[str, Any], table: ClaimsTable | None = None) -> None:
    """Display the quiz in a notebook.

    Raises:
        MissingExtra: jupyterquiz is absent.
    """
    try:
        from jupyterquiz import display_quiz
    except ImportError as error:
        raise MissingExtra("the quiz needs jupyterquiz: pip install 'labkit[lab]'") from error
    display_quiz(questions(measured, table), shuffle_answers=False, max_width=760)


def _asked(question: Question, judged: ClaimsTable, measured: Mapping[str, Any]) -> dict[str, Any]:
    verdict = judged.verdicts[question.slug]
    status, said = _decided(question, verdict, judged, measured)
    answers = []
    for text, right_if, why in question.answers:
        right = (right_if == IF_HOLDS and status == HOLDS) or (right_if == IF_NOT and status == DOES_NOT_HOLD)
        reason = why if right or status == HOLDS else ""
        answers.append({"answer": text, "correct": right, "feedback": f"{reason} {said}".strip()})
    return {"question": question.text, "type": "multiple_choice", "answers": answers}


def _decided(question: Question, verdict: Verdict, judged: ClaimsTable, measured: Mapping[str, Any]) -> tuple[str, str]:
    """Whether the claim holds, and with which figures; what was recorded where it was not testable."""
    if verdict.status != NOT_TESTABLE:
        return verdict.status, f"Here {question.figures(measured[question.step])}."
    known = None if judged.published is None else judged.published.claims.get(question.slug)
    if known is None or known.status is None:
        return NOT_TESTABLE, f"Not testable here: {verdict.why}"
    return known.status, f"Not measured here ({verdict.why.rstrip('.')}); recorded: {CLAIMS[question.slug].sentence}"
