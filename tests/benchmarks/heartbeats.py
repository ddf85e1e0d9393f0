"""Who is dropped at ping timeout by work that holds a connection, a hub, a loop or the GIL; with short timeouts."""

import labkit as lab

INTERVAL_S, TIMEOUT_S = 1.0, 0.5

#: Mode, strategy, work, events at once.
CASES = (
    ("threading", "inline-serial", lab.io_wait(2500), 1),
    ("threading", "inline", lab.io_wait(2500), 8),
    ("threading", "inline", lab.cpu(400), 8),
    ("threading", "process-pool", lab.cpu(400), 8),
    ("gunicorn", "inline", lab.cpu(400), 8),
    ("gevent", "inline", lab.io_wait(2500), 8),
    ("gevent", "inline", lab.cpu(400), 8),
    ("gevent", "gevent-hub-pool", lab.cpu(400), 8),
    ("gevent", "process-pool", lab.cpu(400), 8),
    ("asgi", "asgi-inline", lab.cpu(400), 8),
    ("asgi", "asgi-to-thread", lab.cpu(400), 8),
    ("asgi", "asgi-process-pool", lab.cpu(400), 8),
)


def main() -> None:
    print(f"ping interval {INTERVAL_S:g} s, timeout {TIMEOUT_S:g} s; of 1 sender and 2 who send no event")
    for mode, strategy, work, events in CASES:
        settings = {"ping_interval_s": INTERVAL_S, "ping_timeout_s": TIMEOUT_S, "warm_up": 0, "window_s": 0.5}
        run = lab.measure(strategy, work, lab.burst(events), mode=mode, timeout_s=8, **settings)
        told = run.conditions
        longest_s = told.heartbeats.silence_ns / 1e9 if told.heartbeats else float("nan")
        print(
            f"  {mode:10} {strategy:18} {run.plan.name} of {run.work:14} senders dropped {told.closed_senders}, "
            f"innocents dropped {told.closed_others}, longest silence {longest_s:.2f} s, lost {run.lost}"
        )


if __name__ == "__main__":
    main()
