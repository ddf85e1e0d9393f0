"""Every claim about handlers 20 times: how often it holds, and the smallest headroom (measured over bound)."""

import sys
from collections import defaultdict

import labkit as lab
from labkit.claims import HOLDS, Verdict, handlers

REPEATS = 20
SERIAL = {"async_handlers": False}


def main(repeats: int = REPEATS, runs: int = 1) -> None:
    plan = lab.burst(events=10)
    pool = ["inline", "inline-serial", "thread-broadcast", "thread", "process-pool"]
    computing = [*pool, lab.strategy("thread", options=SERIAL)]
    waiting = ["inline", "inline-serial", "thread", lab.strategy("thread", options=SERIAL)]
    found: dict[str, list[Verdict]] = defaultdict(list)
    for seed in range(repeats):
        results = (
            lab.compare(["inline"], lab.cpu(100), lab.burst(1), repeats=1),
            lab.compare(computing, lab.cpu(100), plan, repeats=runs, seed=seed),
            lab.compare(waiting, lab.io_wait(100), plan, repeats=runs, seed=seed),
        )
        for slug in (c.slug for c in handlers.CLAIMS):
            verdicts = [lab.claim(slug, result) for result in results]
            found[slug] += [v for v in verdicts if v.headroom == v.headroom]
        print(f"{seed + 1} of {repeats}", file=sys.stderr, flush=True)
    print(f"| claim | holds | smallest headroom |\n|---|---|---|   ({runs} run(s) of each strategy a verdict)")
    for slug, verdicts in found.items():
        holds = sum(v.status == HOLDS for v in verdicts)
        print(f"| {slug} | {holds} of {len(verdicts)} | {min(v.headroom for v in verdicts):.2f} |")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
