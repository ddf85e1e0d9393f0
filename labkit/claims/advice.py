"""The 14 numbered lines of the advice, each with the claims that decide it.

Quotations are in our words. Issues are cited by what was read in them; docstrings with the version they were read in.
"""

from labkit.claims.line import AGAINST, BESIDE, CONTROL, FOR, Bearing, Line, Source

#: The page that all lines are from.
ADVICE = 'the page "WebSocket events handling in Flask: performance and optimization"'

_ISSUES = "https://github.com/miguelgrinberg/Flask-SocketIO/issues"

SEPARATE = Source(
    "The maintainer: a blocking function belongs in a separate process, by Celery, RQ, multiprocessing or Popen.",
    f"{_ISSUES}/1100",
)
CPU_APART = Source("The maintainer again: CPU work belongs in separate processes.", f"{_ISSUES}/1101")
GEVENT_APART = Source(
    "The maintainer: keep what is heavy for the CPU in a process apart from gevent.", f"{_ISSUES}/934"
)
OWN_CLIENT = Source(
    "A user saw a slow handler hold the later events of its own client, and of no other; the maintainer confirmed it.",
    f"{_ISSUES}/460",
)
LONG_HANDLERS = Source(
    "The maintainer: for long handlers, async_handlers=True (not yet the default).", f"{_ISSUES}/348"
)
DEFAULT = Source(
    "Handlers of a client run in separate threads by default; async_handlers=False runs them one by one.",
    "docstring of SocketIO(async_handlers=...), Flask-SocketIO 5.7.0",
)
DROPPED = Source("A user whose CPU work lost its client: the socket was found closed.", f"{_ISSUES}/1328")
TOGETHER = Source("A user whose emits came late and all at once.", f"{_ISSUES}/692")
BROADCAST = Source(
    "Without to=, an event that the server emits is sent to all connected users: the recipe's bug, documented.",
    "docstring of SocketIO.emit, Flask-SocketIO 5.7.0",
)
LAYOUT = Source(
    "Chrome's own guide warns of forced synchronous layout: reading geometry after it was changed.",
    "https://web.dev/articles/avoid-large-complex-layouts-and-layout-thrashing",
)
PACKETS = Source("A user with too many packets for a page.", f"{_ISSUES}/1228")
SILENT = Source("Nothing is known to us that its documentation or its maintainer says of the page.", "")

_LEDGER = Bearing("ledger-is-closed", CONTROL, "the measure itself")
_ALONE = Bearing("one-alone", CONTROL, "the measure itself")
_STRANGERS = (
    Bearing("broadcast-reaches-strangers", BESIDE, "B as written"),
    Bearing("to-sid-repairs-it", BESIDE, "B with to=sid"),
)
_BYSTANDERS = "bystanders, while handlers compute (of one client or of many)"
_BEHIND_THREADS = "bystanders, while threads compute (of one client or of many)"
_GREEDY_WAITS = "one client that sends everything to handlers that wait, with async_handlers=False"

#: A serial server is ``async_handlers=False``: one event at a time of each client, all clients at once.
_SERIAL = (
    Bearing(
        "serial-spares-neighbours",
        AGAINST,
        "bystanders, while one client's handlers compute with async_handlers=False",
    ),
    Bearing(
        "serial-spares-no-room",
        FOR,
        "bystanders, while many clients' handlers compute with async_handlers=False",
    ),
    Bearing("serial-answers-a-room", AGAINST, "many clients whose handlers wait, with async_handlers=False"),
)
_HEARTBEATS = (
    Bearing(
        "serial-drops-its-own-client",
        FOR,
        "the sender's heartbeat, when its handler takes too long with async_handlers=False",
    ),
    Bearing(
        "gevent-drops-innocents",
        FOR,
        "everybody's heartbeat under gevent, when one client's handlers compute for too long",
        "gevent",
    ),
)
_B_ON_SERIAL = (
    Bearing(
        "thread-harms-a-serial-server",
        AGAINST,
        "bystanders, while one client's threads compute with async_handlers=False",
    ),
    Bearing(
        "thread-is-right-for-waiting",
        FOR,
        "one client that sends everything, if the work waits and async_handlers=False is set",
    ),
    Bearing("thread-helps-in-one-case", BESIDE, "the eight cases together"),
)
_INP_A = "the page's INP, while a handler on the server computes"
_SCRIPT = "updates, while the page's script computes for each"

LINES: tuple[Line, ...] = (
    Line(
        1,
        "How WebSocket events are processed and rendered affects the responsiveness and smoothness of real-time "
        "updates (impact: medium).",
        "The same load, processed or rendered in another way, changes what people wait for by more than a bound. "
        "How much is medium is not defined, and not tested.",
        "pairs that differ in one thing: where the work is done, one at a time or not, batched or not",
        (SEPARATE, PACKETS),
        (
            Bearing("processes-spare-neighbours", FOR, "bystanders, when the work moves to another process"),
            Bearing("waiting-flips-it", FOR, "one greedy client, when its handlers wait one at a time"),
            Bearing("server-batching-saves-layouts", FOR, "the page's layouts, when the server batches updates"),
            Bearing(
                "script-holds-the-pipeline",
                FOR,
                "the age of what is shown, when the page's script computes for each update",
            ),
            _LEDGER,
        ),
    ),
    Line(
        2,
        "Heavy work inside the event handler (A) blocks the main thread.",
        "No handler runs in a main thread, so blocking is read three ways: the connection reads nothing else; the "
        "server answers nobody else; the page's main thread waits.",
        "ten events at once: handler-blocking time beside connection-blocked time, and a bystander that only pings",
        (DEFAULT, OWN_CLIENT, LONG_HANDLERS, SEPARATE, DROPPED),
        (
            _ALONE,
            Bearing("connection-reads-on", AGAINST, "the sender's own connection, with default settings"),
            Bearing("neighbours-wait", FOR, _BYSTANDERS),
            *_SERIAL,
            Bearing("waiting-flips-it", FOR, _GREEDY_WAITS),
            Bearing("page-decides-inp", AGAINST, "the page's main thread"),
            Bearing("neighbours-wait-everywhere", FOR, "bystanders in every async mode, while handlers compute", "all"),
            Bearing("gevent-waits-well", AGAINST, "everybody under gevent, patched, while handlers wait", "gevent"),
            Bearing(
                "unpatched-gevent-waits-in-line",
                FOR,
                "one client's callers under gevent without monkey-patching, while its handlers wait",
                "gevent-unpatched",
            ),
            Bearing(
                "loop-waits-for-its-handler",
                FOR,
                "everybody on an event loop whose handler waits without await",
                "asgi",
            ),
            *_HEARTBEATS,
            _LEDGER,
        ),
    ),
    Line(
        3,
        "A therefore causes UI lag and delayed responses.",
        "Responses are later than the work alone takes, and the page reacts later to its user.",
        "ten events at once, and trusted clicks in a browser from click to the answer's paint",
        (SEPARATE, CPU_APART, TOGETHER),
        (
            Bearing("neighbours-wait", FOR, _BYSTANDERS),
            *_SERIAL,
            Bearing("waiting-flips-it", FOR, _GREEDY_WAITS),
            Bearing("neighbours-wait-everywhere", FOR, "bystanders in every async mode, while handlers compute", "all"),
            Bearing(
                "gevent-sends-at-the-end",
                FOR,
                "one client that sends everything to gevent, while its handlers compute",
                "gevent",
            ),
            *_HEARTBEATS,
            Bearing("result-waits-for-server", FOR, "the result of a click, while a handler on the server computes"),
            Bearing("page-decides-inp", AGAINST, "the page's own reaction to a click"),
            _LEDGER,
        ),
    ),
    Line(
        4,
        "A causes input delay and poor INP.",
        "INP is worse where the server's handler computes than where the page is left alone.",
        "trusted clicks; the same computing time in the server's handler, and in the page's",
        (SILENT,),
        (Bearing("page-decides-inp", AGAINST, _INP_A),),
    ),
    Line(
        5,
        "B keeps the main thread free for the UI and other events.",
        "With B the handler returns sooner, and others are answered sooner.",
        "ten events at once with A and with B, default settings and async_handlers=False, computing and waiting",
        (BROADCAST, SEPARATE, CPU_APART, GEVENT_APART),
        (
            Bearing("thread-returns-sooner", FOR, "the handler's own time"),
            Bearing("thread-spares-no-neighbour", AGAINST, _BEHIND_THREADS),
            *_B_ON_SERIAL,
            Bearing(
                "gevent-task-spares-nobody",
                AGAINST,
                "bystanders under gevent, while a background task computes",
                "gevent",
            ),
            Bearing(
                "to-thread-frees-the-loop", FOR, "everybody on an event loop, if the work waits in a thread", "asgi"
            ),
            Bearing(
                "to-thread-shares-the-gil",
                AGAINST,
                "everybody on an event loop, if the work computes in a thread",
                "asgi",
            ),
            *_STRANGERS,
            _LEDGER,
        ),
    ),
    Line(
        6,
        "B improves responsiveness and reduces input delay.",
        "With B answers come sooner, neighbours wait less, and INP is better.",
        "as for 5, and trusted clicks in a browser with A and with B",
        (DEFAULT, BROADCAST, SEPARATE, CPU_APART),
        (
            Bearing("thread-answers-nobody-sooner", AGAINST, "callers, while threads compute with default settings"),
            Bearing("thread-spares-no-neighbour", AGAINST, _BEHIND_THREADS),
            *_B_ON_SERIAL,
            Bearing(
                "thread-shows-nobody-sooner", AGAINST, "the result of a click, while a thread on the server computes"
            ),
            Bearing("page-decides-inp", AGAINST, "the page's INP"),
            *_STRANGERS,
            _LEDGER,
        ),
    ),
    Line(
        7,
        "Pattern table, A: several DOM updates an event; several reflows where the DOM is updated repeatedly; high "
        "paint cost from frequent layout changes; verdict bad.",
        "Updates that are written as they come cost more DOM operations than batched ones, and more layouts than there "
        "are frames. Paint is counted frame by frame, and its time compared there.",
        "twenty events in each of ten frames, frame by frame; counts are exact",
        (LAYOUT,),
        (
            Bearing("batching-cuts-dom-operations", FOR, "the number of DOM operations"),
            Bearing("one-layout-a-frame", AGAINST, "layouts (reflows), where the page only writes"),
            Bearing(
                "reading-geometry-forces-layout",
                FOR,
                "layouts (reflows), where the page reads geometry after each write",
            ),
            Bearing("batching-paints-as-often", AGAINST, "paints, which are once a frame either way"),
        ),
    ),
    Line(
        8,
        "Pattern table, B with batched DOM updates: DOM operations batched; a single reflow a batch; lower paint cost "
        "from fewer layout changes; verdict good.",
        "Batching saves DOM operations, and saves layouts.",
        "as for 7; and steady events in real time, batched in the page and on the server",
        (PACKETS,),
        (
            Bearing("batching-cuts-dom-operations", FOR, "the number of DOM operations"),
            Bearing("one-layout-a-frame", AGAINST, "layouts (reflows), if the page batches"),
            Bearing("batching-paints-as-often", AGAINST, "paints, if the page batches"),
            Bearing("batching-saves-no-paint", AGAINST, "the time of painting, if the page batches"),
            Bearing("writing-less-paints-less", BESIDE, "painting less: conflated"),
            Bearing("server-batching-saves-layouts", FOR, "layouts (reflows), if the server batches"),
            Bearing("server-batching-costs-staleness", BESIDE, "what batching on the server costs"),
        ),
    ),
    Line(
        9,
        "Pipeline: events trigger JavaScript that updates the DOM; slow or blocking event processing delays style "
        "calculation, layout and paint.",
        "Script that takes long for each update delays what is painted.",
        "steady events, from the server's send to the paint, with and without such script",
        (SILENT,),
        (Bearing("script-holds-the-pipeline", FOR, _SCRIPT),),
    ),
    Line(
        10,
        "The bottleneck is JavaScript execution blocking the main thread.",
        "What people wait for is the page's script, and not the server's handler that the advice speaks of.",
        "the same weight in the page's script and in the server's handler",
        (SILENT,),
        (
            Bearing("script-holds-the-pipeline", FOR, _SCRIPT),
            Bearing("script-in-page-ruins-inp", FOR, "a click whose handler computes in the page"),
            Bearing("result-waits-for-server", AGAINST, "a click that a heavy handler on the server answers"),
        ),
    ),
    Line(
        11,
        "The Core Web Vital affected is INP.",
        "INP is worse for it. Whether LCP or CLS is, is not tested: the lab's page loads before its run, and what it "
        "inserts is its content.",
        "INP by trusted clicks, from the browser's own event timing",
        (SILENT,),
        (
            Bearing("page-decides-inp", AGAINST, _INP_A),
            Bearing("script-in-page-ruins-inp", FOR, "the page's INP, while a handler in the page computes"),
        ),
    ),
    Line(
        12,
        "Tips: avoid heavy synchronous work in handlers; use background threads or async tasks for expensive "
        "computation; batch DOM updates triggered by events to minimise reflows.",
        "Each tip, followed, makes something better that is measured here.",
        "each tip against the handler without it, in each mode",
        (SEPARATE, CPU_APART, GEVENT_APART, LAYOUT),
        (
            Bearing("processes-spare-neighbours", FOR, "work that computes, if another process does it"),
            Bearing(
                "processes-spare-everywhere",
                FOR,
                "work that computes, if another process does it, in every async mode",
                "all",
            ),
            Bearing("thread-spares-no-neighbour", AGAINST, "work that computes, if a background thread does it"),
            Bearing(
                "thread-is-right-for-waiting",
                FOR,
                "work that waits, if a thread does it, one client sends everything and async_handlers=False is set",
            ),
            Bearing("thread-helps-in-one-case", BESIDE, "the eight cases together"),
            Bearing(
                "gevent-task-spares-nobody",
                AGAINST,
                "work that computes, if a background task of gevent does it",
                "gevent",
            ),
            Bearing(
                "gevent-waits-well",
                AGAINST,
                "avoiding work that waits, under gevent (patched)",
                "gevent",
            ),
            Bearing(
                "unpatched-gevent-waits-in-line",
                FOR,
                "avoiding work that waits, for one client under gevent without monkey-patching",
                "gevent-unpatched",
            ),
            Bearing(
                "loop-waits-for-its-handler", FOR, "avoiding work that waits without await, on an event loop", "asgi"
            ),
            Bearing("to-thread-frees-the-loop", FOR, "work that waits, if an event loop hands it to a thread", "asgi"),
            Bearing(
                "to-thread-shares-the-gil", AGAINST, "work that computes, if an event loop hands it to a thread", "asgi"
            ),
            Bearing("batching-cuts-dom-operations", FOR, "the number of DOM operations, if the page batches"),
            Bearing("one-layout-a-frame", AGAINST, "layouts (reflows), if the page batches"),
            Bearing("server-batching-saves-layouts", FOR, "layouts (reflows), if the server batches"),
            Bearing("server-batching-costs-staleness", BESIDE, "what batching on the server costs"),
            _LEDGER,
        ),
    ),
    Line(
        13,
        "Quiz: the main performance issue of heavy processing in the handler is that it blocks the main thread, "
        "causing input delay (of four answers).",
        "A question is no proposition; what is tested is that this answer is right, and that the one about fewer "
        "connections is wrong. Network latency and memory leaks are not tested.",
        "as for 2 and 4; and which connections are closed when a handler outlasts the heartbeat",
        (DEFAULT, SEPARATE, DROPPED),
        (
            Bearing(
                "neighbours-wait", FOR, "blocking of bystanders, while handlers compute (of one client or of many)"
            ),
            Bearing("connection-reads-on", AGAINST, "blocking of the sender's own connection, with default settings"),
            Bearing("page-decides-inp", AGAINST, "input delay in the page"),
            Bearing(
                "serial-drops-its-own-client",
                AGAINST,
                "'fewer connections' as a wrong answer, when a handler takes too long with async_handlers=False",
            ),
            Bearing(
                "gevent-drops-innocents",
                AGAINST,
                "'fewer connections' as a wrong answer, when one client's handlers compute too long under gevent",
                "gevent",
            ),
            _LEDGER,
        ),
    ),
    Line(
        14,
        "DevTools, Performance panel: record a session while WebSocket events occur, then look for long tasks and long "
        "JavaScript blocks during event handling that delay input.",
        "A recipe is no proposition; what is tested is that a recording shows a long task for the heavy handler.",
        "a recording of trusted clicks, as DevTools makes it, for a heavy handler in the page and one on the server",
        (SILENT,),
        (
            Bearing("trace-shows-long-tasks", FOR, "a heavy handler in the page"),
            Bearing("frames-and-tasks-agree", FOR, "a heavy handler in the page, by long animation frames"),
            Bearing("trace-shows-no-server-handler", AGAINST, "a heavy handler on the server"),
        ),
    ),
)
