"""The process that drives the browser: whatever happens to it, to the browser or to its parent, nothing is left."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import psutil
import pytest

from labkit.base import processes
from labkit.base.errors import BrowserError, MissingExtra
from labkit.browser.driver import process as driver
from labkit.browser.driver.process import Driver
from labkit.browser.page.server import Page
from labkit.server.in_process import Server
from labkit.strategies import Strategy
from tests.support.browsing import needed, prefixed
from tests.support.helpers import answer_inline, echo, nothing_left_behind, taking_interrupts, wait_until

pytestmark = pytest.mark.measured


@pytest.fixture
def worker(monkeypatch):
    """Stand-in for the worker: a program that is given; `pipes` is its end of the two pipes."""

    def put(code):
        real = subprocess.Popen
        code = "from labkit.base.processes import Pipes\npipes = Pipes()\n" + textwrap.dedent(code)

        def popen(command, **settings):
            assert "labkit.browser.driver.worker" in command[-1]
            return real([*command[:-1], code], **settings)

        monkeypatch.setattr(processes.subprocess, "Popen", popen)

    return put


def job(server, program, **changes):
    page = {"pattern": "naive", "events": 400, "rows": 10}
    feed = {"events": 400, "rate_hz": 100}
    return {
        "pass": "timed",
        "program": str(program),
        "url": server.url,
        "page": page,
        "feed": feed,
        "throttle": 1,
        "click_at_s": [],
        "timeout_s": 20,
        **changes,
    }


def started(one):
    return processes.marked(one.mark)


# --- stand-ins for the worker ---

ECHOES = """
    import os
    while True:
        name, (job, limit_s) = pipes.take()
        pipes.answer({"pid": os.getpid(), "job": job, "limit_s": limit_s})
"""

#: Takes nothing, and ends with its input.
IDLE = "pipes.orders.read()"


def pid_of_a_measurement():
    with driver.driving() as one:
        return one.run({}, limit_s=10)["pid"]


def failing(_):
    raise BrowserError("measure less")


def test_within_one_browser_all_share_a_process_and_it_ends_with_it(worker):
    worker(ECHOES)
    with nothing_left_behind():
        with driver.one_browser():
            first = pid_of_a_measurement()
            with driver.one_browser():
                assert pid_of_a_measurement() == first
            assert pid_of_a_measurement() == first
        assert not psutil.pid_exists(first)
        assert pid_of_a_measurement() != pid_of_a_measurement()


def test_one_browser_starts_nothing_by_itself_and_ends_what_failed(worker):
    worker(ECHOES)
    with nothing_left_behind():
        with driver.one_browser():
            assert driver._shared.driver is None
        with pytest.raises(BrowserError, match="measure less"), driver.one_browser():
            failing(pid_of_a_measurement())
        assert driver._shared is None


def test_jobs_go_to_one_process_and_come_back(worker):
    worker(ECHOES)
    with nothing_left_behind(), Driver() as one:
        first, second = one.run({"n": 1}, limit_s=10), one.run({"n": 2}, limit_s=10)
        assert first["pid"] == second["pid"] == one.pid
        assert (second["job"], second["limit_s"]) == ({"n": 2}, 10)


def test_a_failed_job_is_one_sentence_and_the_next_gets_a_new_process(worker):
    worker("""
        import os
        from labkit.base.errors import BrowserError
        while True:
            _, (job, _) = pipes.take()
            pipes.answer(BrowserError("the browser ended") if job["bad"] else os.getpid())
    """)
    with nothing_left_behind(), Driver() as one:
        before = one.pid
        with pytest.raises(BrowserError, match=r"^the browser ended$"):
            one.run({"bad": True}, limit_s=10)
        assert one.run({"bad": False}, limit_s=10) == one.pid != before


def test_a_worker_that_ends_says_why(worker):
    worker("import sys; pipes.take(); sys.exit('no room')")
    with nothing_left_behind(), Driver() as one, pytest.raises(BrowserError, match=r"ended \(no room\): measure again"):
        one.run({}, limit_s=10)


def test_a_worker_that_hangs_is_ended_with_all_that_it_started(worker, monkeypatch):
    # It ignores the end of its input, and so does its child, which has left its process group.
    worker("""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        time.sleep(60)
    """)
    monkeypatch.setattr(driver, "GRACE_S", 1.0)
    one = Driver()
    with nothing_left_behind():
        threading.Timer(1, lambda: seen.extend(started(one))).start()
        seen = []
        with pytest.raises(BrowserError, match=r"did not answer within 0\.5 s"):
            one.run({}, limit_s=0.5)
        assert len(seen) == 2
        assert wait_until(lambda: not any(p.is_running() for p in seen))


def test_what_a_killed_worker_leaves_is_ended_too(worker):
    worker("""
        import os, signal, subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        pipes.take()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    with nothing_left_behind(), Driver() as one:
        with pytest.raises(BrowserError, match="measure again"):
            one.run({}, limit_s=10)
        assert started(one) == []


def test_an_interrupted_job_takes_its_process_along(worker):
    worker(IDLE)
    with nothing_left_behind(), taking_interrupts(), Driver() as one:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            one.run({}, limit_s=10)
        assert one.pid is None


def test_an_interrupted_job_lets_the_browser_close(worker, tmp_path):
    """Killed, it would leave its profile."""
    closed = tmp_path / "closed"
    worker(f"{IDLE}; import pathlib, time; time.sleep(0.3); pathlib.Path({str(closed)!r}).touch()")
    with nothing_left_behind(), taking_interrupts(), Driver() as one:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            one.run({}, limit_s=10)
        assert closed.exists()


def test_ending_twice_or_before_a_job_does_no_harm(worker):
    worker(IDLE)
    one = Driver()
    one.end()
    one.launch()
    one.end()
    one.end()


def test_without_playwright_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'labkit\[browser\]'"):
        Driver()


# --- a real browser ---


@pytest.fixture
def server():
    needed()
    with nothing_left_behind(5), Server(Strategy("tested", answer_inline), echo, extension=Page()) as running:
        yield running


@pytest.mark.parametrize("what", ["browser", "renderer"])
def test_a_browser_that_crashes_in_the_middle_is_one_sentence_and_the_next_job_runs(server, what):
    program = needed().path

    def kill():
        assert wait_until(lambda: server.extension.feeds and len(server.extension.feeds[0].sent_ns) > 20, 15)
        for process in started(one):
            with contextlib.suppress(psutil.Error):  # one that has ended by itself since it was found
                arguments = process.cmdline()
                kind = next((a.partition("=")[2] for a in arguments if a.startswith("--type=")), "browser")
                if kind == what and ("--remote-debugging-pipe" in arguments or what == "renderer"):
                    process.kill()

    with Driver() as one:
        killing = threading.Thread(target=kill)
        killing.start()
        with pytest.raises(BrowserError, match="the browser ended in the middle of a run"):
            one.run(job(server, program), limit_s=60)
        killing.join()
        quick = job(server, program, page={"pattern": "naive", "events": 5, "rows": 1}, feed={"events": 5})
        assert one.run(quick, limit_s=60)["received"] == 5


def test_a_job_that_takes_too_long_is_stopped(server):
    with Driver() as one, pytest.raises(BrowserError, match=r"did not finish within 2\.5 s"):
        one.run(job(server, needed().path), limit_s=2.5)


def test_a_program_that_is_no_browser_is_one_sentence(server):
    with Driver() as one, pytest.raises(BrowserError, match="did not start"):
        one.run(job(server, sys.executable), limit_s=60)


def test_a_server_that_is_not_there_is_one_sentence(server):
    with Driver() as one, pytest.raises(BrowserError, match="did not do as asked"):
        one.run(job(server, needed().path, url="http://127.0.0.1:9"), limit_s=60)


def test_a_parent_that_is_killed_leaves_no_browser(server):
    code = """
        import json, sys
        from labkit.browser.driver.process import Driver
        one = Driver()
        print(one.mark, flush=True)
        one.run(json.loads(sys.stdin.readline()), limit_s=60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        parent.stdin.write(json.dumps(job(server, needed().path)) + "\n")
        parent.stdin.flush()
        mark = parent.stdout.readline().strip()
        assert wait_until(lambda: server.extension.feeds, 20)
        left = processes.marked(mark)
        assert len(left) > 2
        os.kill(parent.pid, signal.SIGKILL)
        parent.stdin.close()
    gone = wait_until(lambda: not any(_runs(process) for process in left), 15)
    for process in left:
        if _runs(process):
            process.kill()
    assert gone


def _runs(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("pattern", ["naive", "worker"])
def test_the_page_works_behind_a_prefix(server, pattern):
    """As jupyter-server-proxy does: the prefix is taken off on the way. A worker has its own way to the server."""
    with prefixed(server.port, "/proxy/8888") as address, Driver() as one:
        order = job(server, needed().path, url=address, page={"pattern": pattern, "events": 5, "rows": 1})
        told = one.run({**order, "feed": {"events": 5}}, limit_s=60)
    assert told["received"] == 5
    assert told["error"] == ""


@pytest.mark.parametrize("pattern", ["dom-batch", "worker"])
def test_the_page_by_hand_shows_what_it_feels(server, pattern):
    from playwright.sync_api import expect, sync_playwright

    seen = {}

    def look():
        # Playwright's synchronous form needs a thread without an event loop.
        with sync_playwright() as playwright:
            root = hasattr(os, "geteuid") and os.geteuid() == 0
            flags = ["--no-sandbox"] if root else []
            browser = playwright.chromium.launch(executable_path=needed().path, args=flags)
            page = browser.new_page()
            failed = []
            page.on("pageerror", lambda error: failed.append(str(error)))
            page.goto(server.url)
            expect(page.locator("#live-connection")).to_have_text("open", timeout=10_000)
            page.select_option("#pattern", pattern)
            page.fill("#seconds", "1")
            page.click("#start")
            page.click("#ask")
            expect(page.locator("#counter")).to_have_text("200", timeout=10_000)
            expect(page.locator("#answered")).to_have_text("1", timeout=10_000)
            expect(page.locator("#live-painted")).to_have_text("200 of 200", timeout=10_000)
            seen.update(
                staleness=page.text_content("#live-staleness"), markup=page.inner_html("#list li"), failed=failed
            )
            browser.close()

    looking = threading.Thread(target=look)
    looking.start()
    looking.join(60)
    assert seen["failed"] == []
    assert seen["staleness"].endswith(" ms")
    assert seen["markup"].startswith("199 key ")
