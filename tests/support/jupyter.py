"""A JupyterLab of its own for a test, and its notebooks as a reader sees them: in Chromium, through the menu."""

import contextlib
import functools
import importlib.util
import inspect
import json
import math
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.support.browsing import needed
from tests.support.helpers import wait_until

#: What is seen of a notebook. Prompts, kinds of output and pictures are the page's, not the file's.
_SEEN = """() => ({
    kernel: document.querySelector('.jp-NotebookPanel .jp-Notebook-ExecutionIndicator')?.dataset.status,
    cells: [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')].map((cell) => ({
        prompt: cell.querySelector('.jp-InputPrompt').textContent.trim(),
        kinds: [...cell.querySelectorAll('.jp-OutputArea [data-mime-type]')].map((output) => output.dataset.mimeType),
        text: cell.querySelector('.jp-OutputArea')?.innerText ?? '',
        widths: [...cell.querySelectorAll('.jp-OutputArea-output img')].map((picture) => picture.naturalWidth),
    })),
})"""

#: Whether so many code cells are there, each with a prompt, and every picture is loaded.
_SHOWN = """(cells) => document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell .jp-InputPrompt').length === cells
    && [...document.querySelectorAll('.jp-OutputArea-output img')].every((picture) => picture.complete)"""

#: Of a traceback as of what was written to stderr.
_COMPLAINT = "application/vnd.jupyter.stderr"


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs: where, its token, the folder that it shows, the one in which it keeps what it writes."""

    url: str
    token: str
    root: Path
    folder: Path

    def ask(self, path, method="GET"):
        """Its REST interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def end_kernels(self):
        """As a reader does who shuts all kernels down: the next notebook has the machine to itself."""
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")


@contextlib.contextmanager
def lab(root, folder, *, base_url="/", environment=None):
    """Start JupyterLab on loopback, on a free port; everything that it writes goes below `folder`."""
    for module in ("jupyterlab", "jupyter_server_proxy"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'labkit[lab,test]'")
    needed()
    folder.mkdir()
    _set(folder, "apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
    _set(folder, "notebook-extension/tracker", {"windowingMode": "none"})  # else what is out of sight is not there
    token = secrets.token_hex()
    places = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={root}", f"--ServerApp.base_url={base_url}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    own = {name: str(folder / place) for name, place in places.items()} | {"JUPYTER_TOKEN": token}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **own, **(environment or {})},
        )
    try:
        url = _url(process, folder)
        yield Lab(url, token, root, folder)
    finally:
        _end(process)


def _set(folder, plugin, values):
    path = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def _url(process, folder):
    """From the file that a Jupyter server writes about itself, once it answers."""
    told = []

    def answers():
        assert process.poll() is None, (folder / "log").read_text()
        for path in (folder / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError, OSError):
                url = json.loads(path.read_text())["url"]
                urllib.request.urlopen(f"{url}api", timeout=5).close()
                told.append(url)
        return told

    assert wait_until(answers, 60), (folder / "log").read_text()
    return told[0]


def _end(process):
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()  # it ends its kernels
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in started:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(started, timeout=5)


@contextlib.contextmanager
def chromium():
    """A page of a browser of its own; in a thread without an event loop (:func:`tests.support.helpers.ends_within`)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        flags = ["--disable-gpu", "--no-first-run", *(["--no-sandbox"] if root else [])]
        browser = playwright.chromium.launch(executable_path=needed().path, args=flags)
        try:
            yield browser.new_page(viewport={"width": 1200, "height": 900})
        finally:
            browser.close()


class Window:
    """A page for several tests, since JupyterLab takes four seconds to load; on one thread, as Playwright asks.

    After a test that failed it is loaded anew.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._open = contextlib.ExitStack()
        self._page = self._thread.submit(self._open.enter_context, chromium()).result(60)

    def given_to(self, test, seconds, **fixtures):
        """Run a test with the page; it fails where it would otherwise wait for ever."""
        self._thread.submit(self._run, test, fixtures).result(seconds)

    def _run(self, test, fixtures):
        try:
            test(page=self._page, **fixtures)
        except BaseException:
            self._page.goto("about:blank")
            raise

    def close(self):
        self._thread.submit(self._open.close).result(60)
        self._thread.shutdown()


def on_a_page(seconds):
    """A test whose `page` is that of the fixture `window`, for so long at most."""

    def decorate(test):
        def run(window, **fixtures):
            window.given_to(test, seconds, **fixtures)

        functools.update_wrapper(run, test)
        asked = inspect.signature(test)
        window = inspect.Parameter("window", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = asked.replace(
            parameters=[*(each for name, each in asked.parameters.items() if name != "page"), window]
        )
        return run

    return decorate


def copied(path, folder, *, outputs):
    """A copy of a notebook, so that nothing is written into the repository; its file's name."""
    book = nbformat.read(path, as_version=4)
    if not outputs:
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    nbformat.write(book, folder / path.name)
    shutil.copytree(path.parent / "shop", folder / "shop", dirs_exist_ok=True)  # which notebooks import
    return path.name


def written(path, *sources):
    """A notebook of these code cells, each without outputs."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def opened(page, where, name):
    """Open a notebook; what is seen of it, once its kernel, its cells and its pictures are there.

    As a link does, or from the list of files where another is open.
    """
    if page.url.startswith(f"{where.url}lab/"):
        return _opened_next(page, where, name)
    page.goto(f"{where.url}lab/tree/{name}?reset&token={where.token}")
    return _open(page, where, name)


def _opened_next(page, where, name):
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.locator("li[data-command='application:close']").click()
    # What the kernel says of its language JupyterLab takes for a change, if it comes late, and asks what to do with it.
    page.wait_for_selector(".jp-Dialog, body:not(:has(.jp-NotebookPanel))", state="attached")
    if page.locator(".jp-Dialog").count():
        page.get_by_role("button", name="Discard").click()
    page.locator(".jp-NotebookPanel").wait_for(state="detached")
    page.locator("[data-command='filebrowser:refresh']").first.click()
    page.locator(f".jp-DirListing-item[title*='{name}']").dblclick()
    return _open(page, where, name)


def _open(page, where, name):
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=60_000)
    # Until the file has come JupyterLab shows one empty cell, and its kernel may be idle before that.
    page.wait_for_function(_SHOWN, arg=_code_cells(where.root / name), timeout=20_000)
    return seen(page)


def themed(page, name):
    """Change the theme through the menu, to ``JupyterLab Light`` or ``JupyterLab Dark``, and wait for it."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).click()
    page.locator("li[data-command='apputils:change-theme']").get_by_text(name, exact=True).click()
    light = str(name.endswith("Light")).lower()
    page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)


def _code_cells(path):
    return sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)


def seen(page):
    """The kernel's status, and of each code cell its prompt, its outputs' kinds and text, its pictures' widths."""
    return page.evaluate(_SEEN)


def run_all(page, *, timeout_s):
    """Run, Run All Cells; what is seen once the kernel is idle, every cell has run, or one has failed."""
    deadline, asked = time.monotonic() + timeout_s, -math.inf
    while True:
        now = seen(page)
        # JupyterLab drops what it is asked to in the first moment after it opened a notebook: once in 60.
        if set(prompts(now)) == {"[ ]:"} and time.monotonic() > asked + 3:
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.locator("li[data-command='runmenu:run-all']").click()
            asked = time.monotonic()
        done = all(prompt.strip("[]:").isdigit() for prompt in prompts(now))
        stopped = complaints(now) and "[*]:" not in prompts(now)
        if (done or stopped) and now["kernel"] == "idle":
            return now
        assert time.monotonic() < deadline, f"still at work after {timeout_s} s: {prompts(now)}"
        page.wait_for_timeout(200)


def prompts(now):
    return [cell["prompt"] for cell in now["cells"]]


def complaints(now):
    """What no reader should see: a traceback, something on stderr."""
    return [cell["text"] for cell in now["cells"] if _COMPLAINT in cell["kinds"]]


def picture(page, path):
    """The whole notebook, not only what the window shows: for people, so only where all notebooks are asked for."""
    if not os.environ.get("LABKIT_ALL_NOTEBOOKS"):
        return
    height = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": 1200, "height": min(int(height) + 150, 12_000)})
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")  # Run All Cells ends at the end
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    page.set_viewport_size({"width": 1200, "height": 900})
