"""The lines of the advice in the modes that apps are deployed in: gunicorn's threads, gevent, an event loop."""

from labkit import judges_modes as judges
from labkit.claims.record import Claim

_BLOCKS = "Heavy work inside the event handler (A) blocks the main thread."
_FREE = "B keeps the main thread free for the UI and other events."
_BACKGROUND = "Use background threads or async tasks for expensive computation."

CLAIMS = (
    Claim(
        slug="neighbours-wait-everywhere",
        lines=(2, 3),
        quote=_BLOCKS,
        sentence="In every mode, while handlers compute, somebody who sent nothing waits longer than half a "
        "calculation takes.",
        reading="server thread",
        condition="burst of computing work, inline, two modes or more",
        margin="bystander's median at least half the work's CPU time; theory: a turn of the GIL, or the whole queue",
        judge=judges.neighbours_wait_everywhere,
    ),
    Claim(
        slug="gevent-sends-at-the-end",
        lines=(3,),
        quote="A therefore causes UI lag and delayed responses.",
        sentence="Under gevent the answers of computing handlers leave together at the end, the first with the last.",
        reading="server thread",
        condition="burst of computing work, inline, mode gevent",
        margin="the first answer not before half of the time of the last; theory: at the end, since what sends it gets "
        "its turn when no handler is left",
        judge=judges.gevent_sends_at_the_end,
    ),
    Claim(
        slug="gevent-task-spares-nobody",
        lines=(5, 12),
        quote=_FREE,
        sentence="Under gevent a background task that computes holds everybody up all the same.",
        reading="server thread",
        condition="burst of computing work, background-task, mode gevent",
        margin="median wait of the bystander's pings that were due during the work, at least a fifth of the burst's "
        "work; theory: half of it",
        judge=judges.hub_waits,
    ),
    Claim(
        slug="gevent-waits-well",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="Under gevent, patched, handlers that wait answer everybody after little more than one wait.",
        reading="connection",
        condition="burst of waiting work, inline, mode gevent",
        margin="the last answer within two service times; theory: one",
        judge=judges.gevent_waits_well,
    ),
    Claim(
        slug="unpatched-gevent-waits-in-line",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="Without monkey-patching the same handlers wait in line, and their answers leave together at the end.",
        reading="server thread",
        condition="burst of waiting work, inline, mode gevent-unpatched",
        margin="own median at least half of the burst's work, all answers but the first quarter not before half of the "
        "time of the last; theory: all of it, and together",
        judge=judges.unpatched_waits_in_line,
    ),
    Claim(
        slug="loop-waits-for-its-handler",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="On an event loop even work that only waits holds everybody up, if the handler does not await it.",
        reading="server thread",
        condition="burst of waiting work, asgi-inline, mode asgi",
        margin="bystander's median at least a quarter of the burst's work; theory: half of it",
        judge=judges.loop_waits,
    ),
    Claim(
        slug="to-thread-frees-the-loop",
        lines=(5, 12),
        quote=_BACKGROUND,
        sentence="Handed to a thread and awaited, waiting work leaves the loop free.",
        reading="server thread",
        condition="burst of waiting work, asgi-to-thread, mode asgi",
        margin="bystander's median under half a service time; theory: nothing",
        judge=judges.to_thread_frees_the_loop,
    ),
    Claim(
        slug="to-thread-shares-the-gil",
        lines=(5, 12),
        quote=_BACKGROUND,
        sentence="Handed to a thread and awaited, computing work makes everybody wait for longer than half a "
        "calculation.",
        reading="server thread",
        condition="burst of computing work, asgi-to-thread, mode asgi",
        margin="bystander's median at least half the work's CPU time; "
        "theory: each of its steps waits a turn of the GIL",
        judge=judges.to_thread_shares_the_gil,
    ),
    Claim(
        slug="processes-spare-everywhere",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="In every mode another process spares the neighbours.",
        reading="server thread",
        condition="burst of computing work, inline and process-pool, two modes or more",
        margin="bystander's median at least five times less than under inline; theory: no GIL is held",
        judge=judges.processes_spare_everywhere,
    ),
    Claim(
        slug="serial-drops-its-own-client",
        lines=(2, 3, 13),
        quote=_BLOCKS,
        sentence="A serial handler that takes longer than the heartbeat allows loses its own client, and nobody else.",
        reading="connection",
        condition="one event of work that takes longer than ping interval and timeout together, inline-serial",
        margin="exact: its connection is closed, those of bystander and listener are not",
        judge=judges.serial_drops_its_own,
        exact=True,
    ),
    Claim(
        slug="gevent-drops-innocents",
        lines=(2, 3, 13),
        quote=_BLOCKS,
        sentence="Under gevent, handlers that compute for longer than the heartbeat allows lose clients that sent "
        "nothing.",
        reading="server thread",
        condition="burst of computing work, longer than ping interval and timeout together, inline, mode gevent",
        margin="exact: a connection of bystander or listener is closed",
        judge=judges.gevent_drops_innocents,
        exact=True,
    ),
)
