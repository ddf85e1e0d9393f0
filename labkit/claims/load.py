"""The claims about too much of something: bursts, queues, threads, clients that do not read."""

from labkit import judges_load as judges
from labkit.claims.record import Claim

_BACKGROUND = "Use background threads or async tasks for expensive computation."

CLAIMS = (
    Claim(
        slug="unbounded-threads",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="With default settings there is a thread for every event in flight, and nothing bounds how many.",
        reading="server thread",
        condition="burst of work that takes longer than the burst's arrival, inline, default settings",
        margin="threads at the peak at least half the burst; theory: one for each event",
        judge=judges.a_thread_each,
    ),
    Claim(
        slug="shedding-bounds-latency",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="Whom load-shedding answers, it answers within what its queue can hold; "
        "behind a queue without a limit the last waits for the whole burst.",
        reading="connection",
        condition="burst of waiting work, four times what load-shedding holds; load-shedding and ack-first",
        margin="the longest answer of the one at most twice its queue's length over its workers, and a service; of the "
        "other at least half the burst over its workers; theory: first in, first out, by so many workers",
        judge=judges.shedding_bounds,
    ),
    Claim(
        slug="conflation-does-less-work",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="Conflation does less than half of the work, answers the newest event of every client, "
        "and tells the clients of all others.",
        reading="connection",
        condition="burst, eight events or more a connection, conflate",
        margin="at most half of the events worked on; theory: the first, and the newest when it is done; else exact",
        judge=judges.conflation_works_less,
    ),
    Claim(
        slug="everyone-is-told",
        lines=(),
        quote="(the measure itself: a strategy that declines must say so)",
        sentence="Every event got exactly one answer: a result, or word that there will be none.",
        reading="connection",
        condition="any",
        margin="exact counts",
        judge=judges.everyone_is_told,
        exact=True,
    ),
    Claim(
        slug="ordered-pool-keeps-order",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="A pool can keep the order of each client's events.",
        reading="connection",
        condition="several events a connection, ordered-pool",
        margin="exact: no answer before that to an earlier event of the same client",
        judge=judges.order_is_kept,
        exact=True,
    ),
    Claim(
        slug="ack-comes-first",
        lines=(5, 6),
        quote="B improves responsiveness and reduces input delay.",
        sentence="A client can know at once that its event has arrived, long before there is a result.",
        reading="connection",
        condition="work that waits, ack-first, a client that asks for acknowledgements",
        margin="median acknowledgement at least three times sooner than the median answer; theory: transport alone",
        judge=judges.acknowledged_first,
    ),
    Claim(
        slug="drop-for-slow-bounds-memory",
        lines=(),
        quote="(nothing is said of clients that do not keep up)",
        sentence="What a client does not read piles up in the server without bound, "
        "unless the server looks at what that client has acknowledged.",
        reading="server thread",
        condition="a client that does not read, inline and drop-for-slow (labkit.slow)",
        margin="inline: at least half of all messages wait; drop-for-slow: a tenth of that, in messages and in bytes; "
        "theory: all but what the sockets hold, against a fixed number",
        judge=judges.dropping_bounds_memory,
    ),
    Claim(
        slug="batching-saves-messages",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="A window saves as many messages as the rate and its length say.",
        reading="connection",
        condition="steady events without work, server-batch with several windows",
        margin="answers a message at least two thirds of rate times window; theory: all of it",
        judge=judges.batching_saves_messages,
    ),
    Claim(
        slug="batching-saves-switches",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="With the longest window the server's threads hand over to each other much less often.",
        reading="server thread",
        condition="steady events without work, inline and server-batch, both with async_handlers=False",
        margin="context switches of inline's server at least 1.25 times those with the longest window; theory: reading "
        "an event takes two hand-overs and sending a message one, so 1.5 where nearly no message is left",
        judge=judges.batching_saves_switches,
    ),
    Claim(
        slug="batching-costs-half-a-window",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="What a window saves is paid for with time: every answer waits for its end.",
        reading="connection",
        condition="steady events without work, inline and server-batch",
        margin="own median later by at least a quarter of the longest window; theory: by half of it",
        judge=judges.batching_costs_time,
    ),
    Claim(
        slug="batching-does-not-help-heavy-work",
        lines=(8, 12),
        quote="B with batched updates: verdict good.",
        sentence="Where the work takes the time, batching its answers answers nobody sooner.",
        reading="connection",
        condition="burst of computing work, inline and server-batch",
        margin="own median at least 0.75 of inline's, both in CPU time of the work, so that a core that is slowed for "
        "a while does not count; theory: the same work, and a wait on top",
        judge=judges.batching_helps_no_work,
    ),
)
