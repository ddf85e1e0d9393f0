"""One client process, 900 sockets: everything answered, and how late it sends."""

import numpy as np

from labkit.client.generator import MAX_SOCKETS
from labkit.client.process import ClientProcess
from labkit.experiments import selftest
from labkit.experiments.selftest import Case
from labkit.plan import schedules

RATE_HZ, SECONDS = 900, 10


def main() -> None:
    plan = schedules.constant(RATE_HZ, seconds=SECONDS, connections=MAX_SOCKETS)
    case = Case(f"{RATE_HZ}/s over {MAX_SOCKETS} sockets", plan, selftest.no_service)
    with ClientProcess() as client:
        reading = selftest.read(case, client)
    print(reading)
    print(f"answered {len(reading.true_ms)} of {len(plan)}")
    lateness = reading.measured_ms - reading.measured_from_send_ms
    print("lateness p50 {:.3f} ms, p99 {:.3f} ms".format(*np.percentile(lateness, [50, 99])))


if __name__ == "__main__":
    main()
