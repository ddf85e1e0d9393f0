"""The shop of the notebooks: an ordinary app, the same people each time; `labkit run` finds what is wrong with it."""

import ast
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.experiments.blame import blame
from labkit.experiments.broadcasts import broadcasts
from labkit.inside import record
from labkit.inside.watched import CAUSES, CLIENT, GIL, RECEIVE_LOOP
from tests.support.launching import ROOT, client, free_port, launched

NOTEBOOKS = ROOT / "notebooks"
MODULES = sorted((NOTEBOOKS / "shop").glob("*.py"))


@pytest.fixture
def customers(monkeypatch):
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    from shop import customers

    return customers


def imported(path):
    """The packages that a module imports."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = [alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names]
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names += [node.module for node in tree if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_it_knows_nothing_of_labkit_and_is_short():
    assert {path.name for path in MODULES} >= {"app.py", "report.py", "customers.py", "__main__.py"}
    assert not [path.name for path in MODULES if "labkit" in imported(path)]
    assert imported(NOTEBOOKS / "shop" / "app.py") <= {"flask", "flask_socketio", "shop", "time"}
    assert len((NOTEBOOKS / "shop" / "app.py").read_text(encoding="utf-8").splitlines()) <= 80


def test_the_same_people_do_the_same_things_in_each_visit(customers):
    about = {"customers": 8, "branches": 3, "rate_hz": 40, "seconds": 3}
    diary = customers.diary(**about)
    assert diary == customers.diary(**about) == sorted(diary)
    counts = {name: sum(event == name for *_, event, _ in diary) for name in ("search", "stock", "basket", "report")}
    assert counts == {"search": 120, "stock": 24, "basket": 48, "report": 12}
    assert {who for _, who, *_ in diary} == set(range(8 + 3 + 1))
    assert max(at for at, *_ in diary) <= 3


def test_customers_who_find_no_shop_say_so(customers, monkeypatch):
    failed = customers.subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionRefusedError: refused\n")
    monkeypatch.setattr(customers.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="could not stay: ConnectionRefusedError: refused"):
        customers.visit("http://127.0.0.1:9")


@pytest.mark.measured
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the CPU time of another thread")
def test_labkit_run_finds_the_four_faults(customers, tmp_path):
    port, out = free_port(), tmp_path / "out-of-it"
    path = f"{ROOT}:{NOTEBOOKS}"
    command = ("-m", "labkit", "run", "--out", out, "-m", "shop", port)
    with launched(tmp_path, *command, PYTHONPATH=path) as process:
        client(port).close()
        customers.visit(f"http://127.0.0.1:{port}", customers=6, branches=3, rate_hz=30, seconds=1.6)
        process.send_signal(signal.SIGINT)
        process.wait(20)
    (served,) = out.glob("server-*")
    found = {finding.cause: finding for finding in blame(served).findings}
    assert found[CAUSES[GIL]].where.startswith("shop/report.py:")
    assert found[CAUSES[RECEIVE_LOOP]].where.endswith(" in units_left")
    assert found[CAUSES[CLIENT]].where.startswith("shop/app.py:")
    assert {each.name for each in broadcasts(record.load(served))} == {"basket", "prices"}
    assert "goes to everybody" in Path(tmp_path / "err").read_text(encoding="utf-8")


@pytest.mark.measured
def test_an_opened_shop_is_gone_afterwards(customers):
    from shop.opened import opened

    with opened("shop.mended") as url:
        since = time.monotonic()
        with customers.patient(url, 20) as took_ms:
            time.sleep(0.3)
        assert 1 <= len(took_ms) <= 20 * (time.monotonic() - since) + 1
        port = int(url.rpartition(":")[2])
        (pid,) = {
            each.pid
            for each in psutil.net_connections("tcp")
            if each.laddr.port == port and each.pid and each.status == "LISTEN"
        }
        child = psutil.Process(pid)
    assert not child.is_running()
    with pytest.raises(RuntimeError, match="could not stay"):
        customers.visit(url)


@pytest.mark.measured
def test_a_shop_that_does_not_open_says_why(customers):
    from shop.opened import opened

    with pytest.raises(RuntimeError, match=r"did not open: .*shop\.nowhere"), opened("shop.nowhere"):
        pass
