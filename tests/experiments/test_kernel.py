"""A notebook's kernel: interrupted in the middle of a measurement, and restarted in the middle of the next."""

import os
import secrets
import time

import pytest

from tests.support.faults import TOKEN, left_of, processes_of
from tests.support.helpers import wait_until

manager = pytest.importorskip("jupyter_client.manager", reason="pip install 'labkit[lab]'")

pytestmark = [
    pytest.mark.measured,
    pytest.mark.skipif(os.name == "nt", reason="a kernel is interrupted otherwise on Windows"),
]

LONG = "lab.measure('process-pool', lab.cpu(20), lab.constant(10, seconds=60, connections=2))"
SHORT = "run = lab.measure('process-pool', lab.cpu(20), lab.burst(4)); print(run.outcomes['answered'], run.unaccounted)"


def said(kernel, code):
    """What a cell prints, and the name of what it raises; again if it came so soon after an error that it was dropped.

    https://jupyter-client.readthedocs.io/en/stable/messaging.html#request-reply
    """
    told = []

    def heard(message):
        content = message["content"]
        told.append(content.get("ename") or content.get("text") or "")

    status = "aborted"
    while status == "aborted":
        reply = kernel.execute_interactive(code, timeout=60, output_hook=heard, store_history=False)
        status = reply["content"]["status"]
    return "".join(told).strip()


def serves(token):
    """Whether a worker of a pool runs: the measurement is in its middle."""
    return any("popen_loky" in " ".join(each.cmdline()) for each in processes_of(token))


def test_a_kernel_that_is_interrupted_measures_again_and_one_that_is_restarted_leaves_nothing():
    token, pids, since_s = secrets.token_hex(8), set(), time.time()
    kernels, kernel = manager.start_new_kernel(env={**os.environ, TOKEN: token})
    try:
        assert said(kernel, "import labkit as lab") == ""
        kernel.execute(LONG)
        assert wait_until(lambda: serves(token), 30)
        kernels.interrupt_kernel()
        assert kernel.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
        assert wait_until(lambda: not serves(token), 5), "an interrupted measurement leaves no worker"
        assert said(kernel, SHORT) == "4 0"
        kernel.execute(LONG)
        assert wait_until(lambda: serves(token), 30)
        pids |= {each.pid for each in processes_of(token)}
        kernels.restart_kernel(now=True)  # a kill -9
        kernel.wait_for_ready(timeout=60)
        assert wait_until(lambda: not serves(token), 5)
        assert said(kernel, f"import labkit as lab\n{SHORT}") == "4 0"
    finally:
        kernel.stop_channels()
        kernels.shutdown_kernel(now=True)
    assert left_of(token, pids, since_s) == []
