"""The notebooks as a reader meets them: in JupyterLab, in Chromium, in both themes, behind a hub's proxy.

All are opened as shipped. Run All Cells takes as long as the measurements do, so without ``LABKIT_ALL_NOTEBOOKS`` it is
one of them that is run, and no pictures are kept.
"""

import os
import re
import urllib.request
from pathlib import Path

import nbformat
import pytest

from labkit.browser import serve
from labkit.browser.page.notebook import PREFIX
from labkit.claims import quiz
from tests.support import jupyter
from tests.support.helpers import nothing_left_behind
from tests.ui.test_plain_text import MAKERS

pytestmark = pytest.mark.measured

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICK = {"01_who_waits.ipynb"}
RUN = [path for path in NOTEBOOKS if path.name in QUICK or os.environ.get("LABKIT_ALL_NOTEBOOKS")]

VERDICTS = ("HOLDS", "DEPENDS", "DOES NOT", "NOT TEST")

#: As JupyterHub and Binder start it.
BASE_URL = "/user/me/"

#: The contrast of each text, in sRGB's relative luminance: https://www.w3.org/TR/WCAG21/#contrast-minimum
_CONTRAST = """() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const behind = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = rgb(getComputedStyle(at).backgroundColor);
            if (alpha > 0.99) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const luminance = (colour) => {
        const [r, g, b] = colour.slice(0, 3).map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const texts = [...document.querySelectorAll('.jp-CodeCell .jp-OutputArea :is(td, th, small, pre, p, b, a)')];
    return texts.map((node) => {
        const both = [luminance(rgb(getComputedStyle(node).color)), luminance(behind(node))];
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    });
}"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    root = folder / "root"
    root.mkdir()
    with (
        nothing_left_behind(timeout_s=10),
        jupyter.lab(root, folder / "lab", base_url=BASE_URL, environment={PREFIX: BASE_URL}) as lab,
    ):
        yield lab


@pytest.fixture(scope="module")
def window(running):
    window = jupyter.Window()
    yield window
    window.close()


def pictures(path):
    """How many figures each code cell of the file has."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in cells]


def assert_whole(now, path):
    """Every cell has run in order, nothing complained, and every figure is there to be seen."""
    assert jupyter.complaints(now) == []
    assert jupyter.prompts(now) == [f"[{number}]:" for number in range(1, len(now["cells"]) + 1)]
    assert [len(cell["widths"]) for cell in now["cells"]] == pictures(path)
    assert all(width > 100 for cell in now["cells"] for width in cell["widths"])


def claims(now, path):
    """What each claim, and each line of the advice, says in the page."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    judging = re.compile(r"lab\.claim\(|^table\[\d+\]$")
    return [shown["text"] for cell, shown in zip(cells, now["cells"], strict=True) if judging.search(cell.source)]


def contrasts(page, folder):
    """Of every text in the dark theme and in the light one, and a picture of each."""
    found = []
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        jupyter.themed(page, theme)
        found.append(page.evaluate(_CONTRAST))
        jupyter.picture(page, folder / f"{theme}.png")
    return found


@jupyter.on_a_page(180)
def test_every_notebook_opens_as_shipped(page, running, tmp_path):
    names = [jupyter.copied(path, running.root, outputs=True) for path in NOTEBOOKS]
    for path, name in zip(NOTEBOOKS, names, strict=True):
        assert_whole(jupyter.opened(page, running, name), path)
        jupyter.picture(page, tmp_path / f"{path.stem}.png")
        running.end_kernels()


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
@jupyter.on_a_page(300)
def test_run_all_cells_runs_all_of_them(page, running, tmp_path, path):
    name = jupyter.copied(path, running.root, outputs=False)
    before = jupyter.opened(page, running, name)
    assert set(jupyter.prompts(before)) == {"[ ]:"}
    now = jupyter.run_all(page, timeout_s=240)
    # Of a notebook with more to do than cells, what a reader does next comes here, by name.
    jupyter.picture(page, tmp_path / f"{path.stem}.png")
    running.end_kernels()
    assert_whole(now, path)
    said = claims(now, path)
    assert said
    assert all(text.lstrip("[]:0123456789 \n").startswith(VERDICTS) for text in said)


@jupyter.on_a_page(120)
def test_what_labkit_writes_can_be_read_in_either_theme(page, running, tmp_path):
    every = "from tests.ui.test_plain_text import MAKERS\nfor make in MAKERS.values():\n    display(make())"
    jupyter.written(running.root / "reprs.ipynb", f"import sys\nsys.path.insert(0, {str(ROOT)!r})", every)
    jupyter.opened(page, running, "reprs.ipynb")
    now = jupyter.run_all(page, timeout_s=60)
    dark, light = contrasts(page, tmp_path)
    running.end_kernels()
    assert jupyter.complaints(now) == []
    assert now["cells"][1]["kinds"] == ["text/html"] * len(MAKERS)
    assert min(len(dark), len(light)) > 50  # the tables' cells alone
    assert min(dark + light) >= 4.5
    assert dark != light


@jupyter.on_a_page(120)
def test_a_traceback_would_be_seen(page, running):
    """Else the tests above could not fail."""
    jupyter.written(running.root / "fails.ipynb", "1", "import sys\nsys.stderr.write('oh')\n", "1 / 0", "2")
    jupyter.opened(page, running, "fails.ipynb")
    now = jupyter.run_all(page, timeout_s=60)
    running.end_kernels()
    assert [complaint.split()[0] for complaint in jupyter.complaints(now)][:1] == ["oh"]
    assert "ZeroDivisionError" in jupyter.complaints(now)[1]


@jupyter.on_a_page(120)
def test_a_question_of_the_quiz_is_answered(page, running, tmp_path):
    """By what was recorded, since nothing was measured for it here."""
    jupyter.written(running.root / "quiz.ipynb", "from labkit.claims import quiz\nquiz.show({})")
    (right,) = (answer for answer in quiz.questions({})[0]["answers"] if answer["correct"])
    jupyter.opened(page, running, "quiz.ipynb")
    now = jupyter.run_all(page, timeout_s=60)
    page.get_by_text(right["answer"], exact=True).click()
    page.get_by_text(right["feedback"]).wait_for(timeout=10_000)
    page.screenshot(path=tmp_path / "quiz.png")
    running.end_kernels()
    assert jupyter.complaints(now) == []


# --- the control panel ---


@jupyter.on_a_page(120)
def test_the_panel_measures_draws_and_is_cancelled(page, running, tmp_path):
    from playwright.sync_api import expect

    made = "panel = lab.panel(['inline', 'inline-serial'], kind='io_wait', work_ms=5, repeats=40)"
    jupyter.written(running.root / "panel.ipynb", f"import labkit as lab\n{made}\npanel")
    jupyter.opened(page, running, "panel.ipynb")
    jupyter.run_all(page, timeout_s=60)
    shown = page.locator(".jp-OutputArea")
    shown.get_by_role("status").get_by_text("Ready: 80 runs.").wait_for(timeout=20_000)
    shown.get_by_label("Mode of the server").select_option("asgi")
    shown.get_by_role("alert").get_by_text("inline cannot run in mode 'asgi'").wait_for(timeout=20_000)
    assert shown.get_by_role("button", name="Run", exact=True).is_disabled()
    shown.get_by_label("Mode of the server").select_option("threading")
    shown.get_by_label("Events", exact=True).fill("7")
    shown.get_by_label("Events", exact=True).press("Tab")
    code = shown.get_by_role("textbox", name="The code that does the same")
    expect(code).to_have_value(re.compile(r"lab\.burst\(events=7\)"), timeout=20_000)
    shown.get_by_role("button", name="Run", exact=True).click()
    shown.get_by_alt_text("The lead figure.").wait_for(timeout=40_000)
    shown.get_by_role("button", name="Cancel", exact=True).click()
    shown.get_by_role("status").get_by_text("Cancelled after ").wait_for(timeout=40_000)
    assert shown.locator("img").evaluate("picture => picture.naturalWidth") > 100
    assert shown.locator("table").count() == 1
    dark, light = contrasts(page, tmp_path)
    now = jupyter.seen(page)
    running.end_kernels()
    assert jupyter.complaints(now) == []
    assert min(dark + light) > 4.5


# --- the page: in a cell, and through jupyter-server-proxy ---


def press(inside):
    """Press the page's button and start a short burst; both come back from the server."""
    inside.locator("#live-connection").get_by_text("open").wait_for(timeout=20_000)
    inside.locator("#ask").click()
    inside.locator("#answered").get_by_text("1", exact=True).wait_for(timeout=20_000)
    inside.locator("#seconds").fill("1")
    inside.locator("#start").click()
    inside.locator("#live-painted").get_by_text("200 of 200").wait_for(timeout=20_000)


@jupyter.on_a_page(120)
def test_the_page_works_in_a_notebooks_cell_through_the_proxy_and_without(page, running, tmp_path):
    sources = ["from labkit import browser"]
    for name, proxy in {"proxied": "", "direct": ", proxy=''"}.items():
        sources += [f"{name} = browser.frame('thread'{proxy})\n{name}", f"{name}.url"]
    jupyter.written(running.root / "page.ipynb", *sources)
    jupyter.opened(page, running, "page.ipynb")
    now = jupyter.run_all(page, timeout_s=60)
    for cell in (1, 3):
        press(page.locator(".jp-CodeCell").nth(cell).frame_locator(".jp-OutputArea iframe"))
    jupyter.picture(page, tmp_path / "page.png")
    running.end_kernels()
    assert jupyter.complaints(now) == []
    assert [f"{BASE_URL}proxy/" in now["cells"][cell]["text"] for cell in (2, 4)] == [True, False]


@jupyter.on_a_page(120)
def test_the_page_works_through_the_proxy_for_whom_is_logged_in(page, running):
    with serve() as server:
        address = f"{running.url}proxy/{server.port}/"
        with urllib.request.urlopen(f"{address}page.js", timeout=10) as answer:
            assert "/login" in answer.geturl()
        page.goto(f"{running.url}lab?token={running.token}")
        page.goto(address)
        press(page)
