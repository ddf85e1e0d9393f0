"""Which of two strategies is the simpler to write and to run, and what each costs the one who does."""

from labkit.strategies import plain_name

#: From simple to less so, each with what it costs the one who writes and runs it. `thread-broadcast` is not here: its
#: answers go to everybody.
SIMPLICITY = {
    "inline": "nothing to add",
    "asgi-inline": "nothing to add to an async handler",
    "inline-serial": "one setting, and a client's events stay in order",
    "background-task": "one call; the answer needs to=sid",
    "asgi-to-thread": "one await in an async handler",
    "thread": "a thread an event; the answer needs to=sid",
    "gevent-hub-pool": "a call of the hub's pool, whose threads gevent does not patch",
    "thread-pool": "a pool to size and to close, and a busy answer to handle",
    "ordered-pool": "a pool and a queue for each client",
    "load-shedding": "a bounded queue, and a refusal that the page must handle",
    "ack-first": "two answers an event, which the page must join",
    "server-batch": "answers come in lists, which the page must unpack",
    "conflate": "only the newest event of a key is answered, which must be right for the app",
    "drop-for-slow": "a bounded queue for each client, and answers that are dropped",
    "dear-elsewhere": "one other process for the dear kind alone: memory, and work and data that can be pickled",
    "process-pool": "other processes: memory for each, work and data that can be pickled, a start that takes a while",
    "interpreter-pool": "other interpreters: memory for each, work and data that can be pickled, and no NumPy in them",
    "asgi-process-pool": "other processes, awaited: memory for each, and work and data that can be pickled",
    "celery": "a Redis and workers to run and to watch beside the server, and work that workers can import",
    "celery-zero-loss": "the same, results kept in Redis, and clients with an outbox that ask again",
}


def rank(name: str) -> tuple[int, int, str]:
    """Of two strategies the simpler has the lower."""
    order = list(SIMPLICITY)
    base = base_of(name)
    # One with parameters is a little less simple than the same without; a reader's own cannot be ranked, so comes last.
    return (order.index(base) if base in order else len(order), int(name != base), name)


def base_of(name: str) -> str:
    """The plain name; A under ``async_handlers=False`` is what the lab calls inline-serial."""
    return "inline-serial" if name == "inline, async_handlers=False" else plain_name(name)
