"""What a server's process and its children have spent."""

import subprocess
import sys
import types

import psutil
import pytest

from labkit.experiments.confounders import ServerCost

COMPUTES = "import time\nwhile time.process_time() < 0.2: pass"


@pytest.mark.measured
def test_children_that_ended_meanwhile_are_counted():
    cost = ServerCost(psutil.Process().pid, types.SimpleNamespace(pids=()))
    subprocess.run([sys.executable, "-S", "-c", COMPUTES], check=True)
    assert cost.cpu_s >= 0.19


@pytest.mark.measured
def test_so_are_those_of_another_process():
    runs = f"subprocess.run([sys.executable, '-S', '-c', {COMPUTES!r}])"
    code = f"import subprocess, sys; input(); {runs}; print(flush=True); input()"
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        cost = ServerCost(server.pid, types.SimpleNamespace(pids=()))
        server.stdin.write(b"\n")
        server.stdin.flush()
        server.stdout.readline()
        assert cost.cpu_s >= 0.15
    finally:
        server.communicate(b"\n")
