"""The lines of the advice, as far as a server and its clients can tell."""

import numpy as np

from labkit.base.text import ratio
from labkit.claims.claim import MANY, ONE, Claim
from labkit.claims.evidence import (
    EXTRA_CONNECTIONS,
    Untestable,
    burst,
    computes,
    in_calculations,
    later,
    one,
    service_ms,
    waits,
)
from labkit.experiments.eight_cases import COMPUTES, WAITS, Case, EightCases, cases
from labkit.runs import environment
from labkit.runs.comparison import Comparison


def alone(result: Comparison) -> float:
    if len(result.runs[0].plan) != 1:
        raise Untestable("needs a plan of one event")
    run = result.runs[0]
    own_ms, work_ms = float(run.own_ms[0]), float(run.service_ms[0])
    return ratio(0.25 * work_ms, max(own_ms - work_ms, 1e-6))


def reads_on(result: Comparison) -> float:
    burst(result)
    a = one(result, "inline", serial=False)
    return ratio(a.handler_blocking.p50_ms, a.connection_blocked.p50_ms) / 3


def neighbours_wait(result: Comparison) -> float:
    burst(result)
    computes(result)
    return in_calculations(result, one(result, "inline", serial=False)) / 0.5


def serial_spares(result: Comparison) -> float:
    computes(result)
    bound = burst(result) / 4
    a, serial = one(result, "inline", serial=False), one(result, "inline", serial=True)
    return ratio(a.bystander.p50_ms, serial.bystander.p50_ms) / bound


def serial_spares_no_room(result: Comparison) -> float:
    burst(result)
    computes(result)
    return in_calculations(result, one(result, "inline", serial=True)) / 0.5


def serial_answers_a_room(result: Comparison) -> float:
    waits(result)
    bound = (burst(result) + 1) / 4
    a, serial = one(result, "inline", serial=False), one(result, "inline", serial=True)
    return bound * ratio(a.own.p50_ms, serial.own.p50_ms)


def one_case_of_eight(result: Comparison | EightCases) -> float:
    if isinstance(result, EightCases):
        return float(np.min([one_case_of_eight(half) for half in (result.computes, result.waits)]))
    try:
        waits(result)
        work = WAITS
    except Untestable:
        computes(result)
        work = COMPUTES
    found = list(cases(work, result))
    if len(found) != 4 or [case.clients == 1 for case in found] != [True, False] * 2:
        raise Untestable("needs runs of inline and thread, default and async_handlers=False, of one client and of many")
    return float(np.min([_helps_as_theory_says(result, case) for case in found]))


def _helps_as_theory_says(result: Comparison, case: Case) -> float:
    if (case.work, case.is_serial, case.clients) == (WAITS, True, 1):
        return case.sooner / ((burst(result) + 1) / 4)
    return later(result.sent_by(case.clients), case.b, case.a) / 0.6


def waiting_flips(result: Comparison) -> float:
    waits(result)
    bound = (burst(result) + 1) / 4
    a, serial = one(result, "inline", serial=False), one(result, "inline", serial=True)
    longer = ratio(serial.own.p50_ms, a.own.p50_ms) / bound
    # numpy's, since they keep NaN: what was not measured must not pass.
    neighbours_ms = float(np.maximum(a.bystander.p50_ms, serial.bystander.p50_ms))
    unnoticed = ratio(service_ms(result) / 2, neighbours_ms)
    return float(np.minimum(longer, unnoticed))


def thread_returns(result: Comparison) -> float:
    burst(result)
    a, b = one(result, "inline", serial=False), one(result, "thread", serial=False)
    return ratio(a.handler_blocking.p50_ms, b.handler_blocking.p50_ms) / 3


def thread_no_sooner(result: Comparison) -> float:
    burst(result)
    a, b = one(result, "inline", serial=False), one(result, "thread", serial=False)
    return later(result, b, a) / 0.6


def thread_neighbours(result: Comparison) -> float:
    burst(result)
    computes(result)
    return in_calculations(result, one(result, "thread", serial=False)) / 0.5


def thread_worse_on_serial(result: Comparison) -> float:
    computes(result)
    bound = burst(result) / 5
    a, b = one(result, "inline", serial=True), one(result, "thread", serial=True)
    return ratio(b.bystander.p50_ms, a.bystander.p50_ms) / bound


def thread_right(result: Comparison) -> float:
    waits(result)
    bound = (burst(result) + 1) / 4
    a, b = one(result, "inline", serial=True), one(result, "thread", serial=True)
    return ratio(a.own.p50_ms, b.own.p50_ms) / bound


def broadcast(result: Comparison) -> float:
    b = one(result, "thread-broadcast", serial=False)
    others = sum(len(run) * (run.plan.connections - 1 + EXTRA_CONNECTIONS) for run in result.of(b.strategy))
    return 1.0 if b.strays == others else 0.0


def to_sid(result: Comparison) -> float:
    b = one(result, "thread", serial=False)
    return 1.0 if b.strays == 0 and b.outcomes["answered"] == b.events else 0.0


def processes_spare(result: Comparison, who: str = "process-pool") -> float:
    burst(result)
    computes(result)
    if environment.cores() < 2:
        raise Untestable("needs two cores: one to compute, one for the server")
    a, pool = one(result, "inline", serial=False), one(result, who, serial=False)
    return ratio(a.bystander.p50_ms, pool.bystander.p50_ms) / 10


def closed_ledger(result: Comparison) -> float:
    clean = all(
        s.outcomes["answered"] == s.events
        and s.duplicates == s.late == s.unaccounted == 0
        and (s.strays == 0 or s.strategy.startswith("thread-broadcast"))
        for s in result.summaries
    )
    return 1.0 if clean else 0.0


CLAIMS = (
    Claim(
        slug="one-alone",
        lines=(2,),
        quote="(the measure itself: a single event must show its work and little else)",
        sentence="One event alone is answered after little more than its own work.",
        reading="connection",
        condition="one event, inline",
        margin="all but the work takes at most a quarter of the work's time; theory: the transport alone",
        judge=alone,
        who=ONE,
    ),
    Claim(
        slug="connection-reads-on",
        lines=(2, 13),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="With default settings a slow handler makes its connection read later. It does not stop it.",
        reading="connection",
        condition="burst, inline, default settings",
        margin="handler-blocking at least 3 times connection-blocked; theory: the loop only starts a thread",
        judge=reads_on,
    ),
    Claim(
        slug="neighbours-wait",
        lines=(2, 3, 13),
        quote="A therefore causes UI lag and delayed responses.",
        sentence="While handlers compute, a bystander waits longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work, inline, default settings",
        margin="bystander's median at least half the work's CPU time in the same runs; "
        "theory: each of its steps waits a turn of the GIL",
        judge=neighbours_wait,
    ),
    Claim(
        slug="serial-spares-neighbours",
        lines=(2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="If one client sends everything, computing its events one at a time spares the bystander.",
        reading="connection",
        condition="burst of computing work from one client, inline with and without async_handlers=False",
        margin="bystander's median better by a quarter of the burst; theory: one thread wants the GIL, not all",
        judge=serial_spares,
        who=ONE,
    ),
    Claim(
        slug="serial-spares-no-room",
        lines=(2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="If many clients send one event each, async_handlers=False spares nobody: the bystander still waits "
        "longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work from many clients, inline with async_handlers=False",
        margin="bystander's median at least half the work's CPU time in the same runs; theory: one at a time is one "
        "for each client, so all of them compete for the GIL",
        judge=serial_spares_no_room,
        who=MANY,
    ),
    Claim(
        slug="serial-answers-a-room",
        lines=(2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="If many clients send one event each and handlers wait, nobody waits for another with "
        "async_handlers=False.",
        reading="connection",
        condition="burst of waiting work from many clients, inline with and without async_handlers=False",
        margin="own median with async_handlers=False at most (n + 1) / 4 times that with default settings, half of "
        "what theory says of one client; theory: equal",
        judge=serial_answers_a_room,
        who=MANY,
    ),
    Claim(
        slug="thread-helps-in-one-case",
        lines=(5, 6, 12),
        quote="B improves responsiveness and reduces input delay.",
        sentence="Of eight cases, the thread answers its callers sooner in one: the work waits, the server handles one "
        "event at a time, and one client sends everything.",
        reading="connection",
        condition="bursts, inline and thread, default and async_handlers=False, of one client and of many; computing "
        "or waiting work",
        margin="in the one case own median sooner by (n + 1) / 4, half of what theory says; in the others at least "
        "0.6 of inline's, in CPU time of the work; theory: equal or later",
        judge=one_case_of_eight,
        takes=(Comparison, EightCases),
        contrasts=True,
    ),
    Claim(
        slug="waiting-flips-it",
        lines=(1, 2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="If one client sends everything and its handlers wait, one at a time answers that client later. "
        "The bystander notices neither.",
        reading="connection",
        condition="burst of waiting work from one client, inline with and without async_handlers=False",
        margin="own median later by half of what theory says (half the burst against once); "
        "bystander's medians under half a service time",
        judge=waiting_flips,
        who=ONE,
    ),
    Claim(
        slug="thread-returns-sooner",
        lines=(5,),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="A handler that starts a thread returns much sooner than one that computes.",
        reading="server thread",
        condition="burst, inline and thread, default settings",
        margin="handler-blocking at least 3 times less; theory: starting a thread against the whole work",
        judge=thread_returns,
    ),
    Claim(
        slug="thread-answers-nobody-sooner",
        lines=(6,),
        quote="B improves responsiveness and reduces input delay.",
        sentence="With default settings the thread answers its callers no sooner.",
        reading="connection",
        condition="burst, inline and thread, default settings",
        margin="own median at least 0.6 of inline's, both in CPU time of the work, so that a core that is slowed for a "
        "while does not count; theory: equal, since each event has a thread either way; a second core would bring half",
        judge=thread_no_sooner,
    ),
    Claim(
        slug="thread-spares-no-neighbour",
        lines=(5, 6, 12),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="Behind the thread, a bystander still waits longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work, thread, default settings",
        margin="bystander's median at least half the work's CPU time in the same runs; theory: the GIL is the same",
        judge=thread_neighbours,
    ),
    Claim(
        slug="thread-harms-a-serial-server",
        lines=(5, 6),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="If one client sends everything and the server handles one event at a time, the thread makes the "
        "bystander wait longer.",
        reading="server thread",
        condition="burst of computing work from one client, inline and thread, both with async_handlers=False",
        margin="bystander's median worse by a fifth of the burst; theory: all threads want the GIL, not one",
        judge=thread_worse_on_serial,
        who=ONE,
    ),
    Claim(
        slug="thread-is-right-for-waiting",
        lines=(5, 6, 12),
        quote="B improves responsiveness and reduces input delay.",
        sentence="If one client sends everything, the work waits, and the server handles one event at a time, the "
        "thread is right: it answers several times sooner.",
        reading="connection",
        condition="burst of waiting work from one client, inline and thread, both with async_handlers=False",
        margin="own median sooner by half of what theory says: half the burst against once",
        judge=thread_right,
        who=ONE,
    ),
    Claim(
        slug="broadcast-reaches-strangers",
        lines=(5, 6),
        quote="the thread calculates, then socketio.emit('response', result)",
        sentence="As written, B sends every answer to every stranger.",
        reading="connection",
        condition="thread-broadcast, a listener and a bystander connected",
        margin="exactly one stray an event and stranger",
        judge=broadcast,
        exact=True,
    ),
    Claim(
        slug="to-sid-repairs-it",
        lines=(5, 6),
        quote="the thread calculates, then socketio.emit('response', result)",
        sentence="With to=sid every caller gets its answer, and nobody else does.",
        reading="connection",
        condition="thread, a listener and a bystander connected",
        margin="exactly no stray, and every event answered",
        judge=to_sid,
        exact=True,
    ),
    Claim(
        slug="processes-spare-neighbours",
        lines=(1, 12),
        quote="Use background threads or async tasks for expensive computation.",
        sentence="Computing in another process spares the bystander.",
        reading="server thread",
        condition="burst of computing work, inline and process-pool, two cores",
        margin="bystander's median at least 10 times better; theory: no turn of the GIL to wait for",
        judge=processes_spare,
    ),
    Claim(
        slug="ledger-is-closed",
        lines=(1, 2, 3, 5, 6, 12, 13),
        quote="(the measure itself: nothing may be lost, wrong or unexplained)",
        sentence="Every event was answered once, rightly, and to its caller. (B as written answers strangers too.)",
        reading="connection",
        condition="any",
        margin="exact counts",
        judge=closed_ledger,
        exact=True,
    ),
)
