"""The quiz: the advice's question in other words, two of its kind, and six that only who measured can answer.

What is right is decided by the reader's own measurements; explanations give their figures. A question whose claim was
not testable here is answered by what was recorded, and says so. Each has four answers, in an order that is drawn anew
each time. The wrong ones are what people really believe, as they tell it in the issues of Flask-SocketIO: that threads,
green threads or background tasks use other cores (#1101, #1517, #1545), that gevent is faster (#1529), that ``emit``
sends at once or needs a ``sleep(0)`` (#106, #331, #692), that a thread's ``emit`` knows whom to answer (#1289, #1330),
that ``async_handlers`` runs events in parallel (#348, #1420).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.base.errors import MissingExtra
from labkit.base.text import about
from labkit.claims.claim import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Verdict
from labkit.claims.judging import CLAIMS
from labkit.claims.table import ClaimsTable, claims_table
from labkit.runs.comparison import Comparison
from labkit.runs.summary import Distribution
from labkit.strategies import plain_name

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


def _waits(of: str, *strategies: str, serial: bool = False, greedy: bool = False) -> Callable[[Comparison], str]:
    """The medians of some strategies.

    Args:
        of: whose: ``own`` or ``bystander``.
        strategies: their names.
        serial: the runs with ``async_handlers=False``; otherwise a strategy's own settings.
        greedy: the runs in which one client sent everything; otherwise those with the most clients.
    """
    who = {"own": "callers", "bystander": "a bystander"}[of]

    def told(result: Comparison) -> str:
        clients = (min if greedy else max)(run.plan.connections for run in result.runs)
        medians = []
        for name in strategies:
            is_serial = serial or name == "inline-serial"
            values_ms = [
                getattr(run, f"{of}_ms")
                for run in result.runs
                if plain_name(run.strategy) == name
                and (run.conditions.is_serial, run.plan.connections) == (is_serial, clients)
            ]
            if values_ms:
                medians.append(f"{about(Distribution.of(np.concatenate(values_ms)).p50_ms)} under {name}")
        return f"{who} waited {', '.join(medians)} (median)"

    return told


def _strays(result: Comparison) -> str:
    b = result.sent_by(result.clients[-1])["thread-broadcast"]
    return f"{b.strays} answers of {b.events} events lay in inboxes of strangers"


def _first_and_last(result: Comparison) -> str:
    greedy = result.sent_by(result.clients[0]).within("gevent")
    own_ms = greedy.of("inline")[0].own_ms
    return f"the first answer came after {about(float(own_ms.min()))}, the last after {about(float(own_ms.max()))}"


def _layouts(result: Any) -> str:
    exact = result["naive"].exact
    each = exact.layouts / exact.frames
    return f"{exact.events_per_frame} updates in each of {exact.frames} frames, and {each:g} layout a frame"


QUESTIONS = (
    Question(
        "An event handler of a Flask-SocketIO server computes for long. Who has to wait for it?",
        "neighbours-wait",
        "computing",
        (
            ("Everybody whom this process serves", IF_HOLDS, "All its threads share one GIL."),
            ("Only the client that sent the event", IF_NOT, "A bystander, who only pings, waits too."),
            (
                "Nobody else: each event has a thread of its own, and threads run at the same time",
                NEVER_RIGHT,
                "They take turns: one thread of a process runs Python at a time.",
            ),
            (
                "The page: it freezes, and INP gets worse",
                NEVER_RIGHT,
                "The page paints without the server. INP is the page's own.",
            ),
        ),
        _waits("bystander", "inline", "process-pool"),
    ),
    Question(
        "Ten events arrive at once, and their work computes. Each handler starts a thread for it and returns. "
        "When do the callers have their answers?",
        "thread-answers-nobody-sooner",
        "computing",
        (
            ("About as late as without the threads", IF_HOLDS, "There was a thread for every event already."),
            (
                "Clearly sooner: the threads use the other cores",
                IF_NOT,
                "A core helps only a thread that holds the GIL.",
            ),
            ("At once, since the handlers have returned", NEVER_RIGHT, "The work has still to be done."),
            (
                "Much later: it takes longer to start a thread than to do the work",
                NEVER_RIGHT,
                "A thread is started in far less time than this work takes.",
            ),
        ),
        _waits("own", "inline", "thread"),
    ),
    Question(
        "Twenty updates arrive within one frame, and the page writes each into the document as it comes. "
        "How often does the browser lay the page out?",
        "one-layout-a-frame",
        "page, counted",
        (
            ("Once", IF_HOLDS, "Layout waits for the frame, unless geometry is read in between."),
            (
                "Twenty times: each write to the DOM causes a reflow",
                IF_NOT,
                "Only reading geometry after a write forces a layout.",
            ),
            (
                "Forty times: a reflow and a repaint for each update",
                NEVER_RIGHT,
                "A repaint is no layout, and a frame is painted once.",
            ),
            (
                "Not at all, unless the script reads a size or a position",
                NEVER_RIGHT,
                "That would lay it out earlier. Before it is painted, it is laid out in any case.",
            ),
        ),
        _layouts,
    ),
    Question(
        "One client sends ten events at once, and each handler computes. Which setting makes the others wait less?",
        "serial-spares-neighbours",
        "computing",
        (
            (
                "async_handlers=False",
                IF_HOLDS,
                "Of one client, one thread at a time then wants the GIL instead of ten.",
            ),
            ("None: the work is the same", IF_NOT, "So it is, but fewer threads want the GIL at a time."),
            (
                "async_handlers=True: ten threads are done sooner than one",
                NEVER_RIGHT,
                "They are done as late, and a ping has to queue behind all of them.",
            ),
            (
                'async_mode="gevent": green threads are faster',
                NEVER_RIGHT,
                "They do not compute faster, and nobody else gets a turn until they have.",
            ),
        ),
        _waits("bystander", "inline", "inline-serial", greedy=True),
    ),
    Question(
        "Ten clients send one event each, all at once, and each handler computes. "
        "What does async_handlers=False do for a bystander?",
        "serial-spares-no-room",
        "computing",
        (
            (
                "Nothing: it still waits",
                IF_HOLDS,
                "One at a time is for each client: ten of them still want the GIL.",
            ),
            (
                "It hardly waits: only one handler at a time computes",
                IF_NOT,
                "One at a time of each client. Ten clients are ten handlers at a time.",
            ),
            (
                "It waits until all ten are done: the server has one thread for everybody now",
                NEVER_RIGHT,
                "It has one for each client, and one for the bystander.",
            ),
            (
                "Its ping comes first, since it costs so little",
                NEVER_RIGHT,
                "Nobody sorts events by what they cost: whoever gets the GIL runs.",
            ),
        ),
        _waits("bystander", "inline", "inline-serial"),
    ),
    Question(
        "The work waits, for a database say. async_handlers=False is set, and one client sends ten events at once. "
        "What if each handler starts a thread for the work?",
        "thread-is-right-for-waiting",
        "waiting",
        (
            ("Its answers come several times sooner", IF_HOLDS, "Waits overlap, and who waits needs no GIL."),
            ("Its answers come as late as before", IF_NOT, "This is the one case in which they come sooner."),
            (
                "Its answers come later: threads compete for the GIL",
                NEVER_RIGHT,
                "Threads that compute do. A thread that waits gives it away.",
            ),
            (
                "Nothing runs at the same time: async_handlers=False forbids it",
                NEVER_RIGHT,
                "It makes the connection wait for the handler, not for a thread that the handler has started.",
            ),
        ),
        _waits("own", "inline-serial", "thread", serial=True, greedy=True),
    ),
    Question(
        "The thread answers with socketio.emit('response', result), as the advice has it. Who gets the answer?",
        "broadcast-reaches-strangers",
        "computing",
        (
            ("Everybody who is connected", IF_HOLDS, "Outside of a handler there is no caller; to=sid names one."),
            ("The client that sent the event", IF_NOT, "A thread has no request, and emit no one to answer."),
            (
                "Nobody: emit needs a request, and raises an error",
                NEVER_RIGHT,
                "flask_socketio.emit does. socketio.emit works anywhere, and so it knows no caller.",
            ),
            ("Everybody in the room of that client", NEVER_RIGHT, "Without to= it goes to all, whatever their rooms."),
        ),
        _strays,
    ),
    Question(
        "One client sends ten events at once to gevent. Each handler computes, and then emits its answer. "
        "When does the first answer leave?",
        "gevent-sends-at-the-end",
        "modes, computing",
        (
            (
                "When the last handler has returned",
                IF_HOLDS,
                "emit puts it in a queue. Who sends it gets no turn before.",
            ),
            (
                "When its own handler is done: emit sends it",
                IF_NOT,
                "emit puts it in a queue, and handlers that compute give no turn to who sends it.",
            ),
            (
                "Never, unless socketio.sleep(0) follows",
                NEVER_RIGHT,
                "With it the answer leaves sooner. Without it, it leaves when no handler is left.",
            ),
            ("With the next heartbeat", NEVER_RIGHT, "A heartbeat carries no answers."),
        ),
        _first_and_last,
    ),
    Question(
        "A process of a pool computes instead of the handler. How much shorter does a bystander wait?",
        "processes-spare-neighbours",
        "computing",
        (
            ("Many times shorter", IF_HOLDS, "That process has a GIL of its own."),
            (
                "Not noticeably: a background task would do the same",
                IF_NOT,
                "A task of the same process shares its GIL. Another process does not.",
            ),
            (
                "Half as long, since there are two cores",
                NEVER_RIGHT,
                "Nobody holds the GIL for long now, however many cores there are.",
            ),
            (
                "Longer: events have to be pickled and sent to it",
                NEVER_RIGHT,
                "That takes the server far less time than the work.",
            ),
        ),
        _waits("bystander", "inline", "process-pool"),
    ),
)


def questions(
    measured: Mapping[str, Any], table: ClaimsTable | None = None, *, seed: int | None = None
) -> list[dict[str, Any]]:
    """The quiz as jupyterquiz takes it: a list of questions with their answers, in an order drawn by chance.

    Args:
        measured: by the name of a step what it measured; as of :func:`labkit.claims.measure`.
        table: the same, judged; made here where None.
        seed: of the order of answers; drawn anew each time where None.
    """
    judged = claims_table(measured) if table is None else table
    chance = random.Random(seed)
    return [_asked(each, judged, measured, chance) for each in QUESTIONS]


def show(measured: Mapping[str, Any], table: ClaimsTable | None = None, *, seed: int | None = None) -> None:
    """Display the quiz in a notebook; the same answers in another order each time, unless a seed is given.

    Raises:
        MissingExtra: jupyterquiz is absent.
    """
    try:
        from jupyterquiz import display_quiz
    except ImportError as error:
        raise MissingExtra("the quiz needs jupyterquiz: pip install 'labkit[lab]'") from error
    # Shuffled here, where a seed repeats it: jupyterquiz would do it in the page.
    display_quiz(questions(measured, table, seed=seed), shuffle_answers=False, max_width=760)


def _asked(
    question: Question, judged: ClaimsTable, measured: Mapping[str, Any], chance: random.Random
) -> dict[str, Any]:
    verdict = judged.verdicts[question.slug]
    status, said = _decided(question, verdict, judged, measured)
    answers = []
    for text, right_if, why in question.answers:
        right = (right_if == IF_HOLDS and status == HOLDS) or (right_if == IF_NOT and status == DOES_NOT_HOLD)
        reason = why if right or status == HOLDS else ""
        answers.append({"answer": text, "correct": right, "feedback": f"{reason} {said}".strip()})
    chance.shuffle(answers)
    return {"question": question.text, "type": "multiple_choice", "answers": answers}


def _decided(question: Question, verdict: Verdict, judged: ClaimsTable, measured: Mapping[str, Any]) -> tuple[str, str]:
    """Whether the claim holds, and with which figures; what was recorded where it was not testable."""
    if verdict.status != NOT_TESTABLE:
        return verdict.status, f"Here {question.figures(measured[question.step])}."
    known = None if judged.published is None else judged.published.claims.get(question.slug)
    if known is None or known.status is None:
        return NOT_TESTABLE, f"Not testable here: {verdict.why}"
    return known.status, f"Not measured here ({verdict.why.rstrip('.')}); recorded: {CLAIMS[question.slug].sentence}"
