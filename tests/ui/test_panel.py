"""The panel as a reader uses it: choose, press, look, cancel. Runs are made by hand, but for one test in a kernel."""

import ast
import asyncio
import sys
import threading
import time

import matplotlib.pyplot as plt
import pytest

import labkit as lab
from labkit import plots
from labkit.base.errors import ClientError, MissingExtra, UsageError
from labkit.experiments.compare import Ordered
from labkit.runs.comparison import Comparison
from labkit.ui import panel as control_panel
from tests.support import simulated

pytest.importorskip("ipywidgets", reason="the control panel needs ipywidgets: pip install 'labkit[lab]'")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(control_panel, "PAUSE_S", 0)


@pytest.fixture
def real_figure():
    """Asked for by the tests that want the lead figure itself: drawing it takes most of a second."""


@pytest.fixture(autouse=True)
def small_figure(request, monkeypatch):
    if "real_figure" not in request.fixturenames:
        monkeypatch.setattr(plots, "overview", lambda result: plt.figure(figsize=(1, 1)))


@pytest.fixture
def measured(monkeypatch):
    """In place of measuring: runs made by hand; the list holds what each was asked for, and on which thread."""
    asked = []

    def runs(order):
        for number, (strategy, settings, _) in enumerate(order.turns):
            mode = settings.get("mode", "threading")
            asked.append((strategy.name, order.work, order.plan, mode, threading.current_thread()))
            yield simulated.run(strategy.name, plan=order.plan, seed=number, work=order.work.name)

    monkeypatch.setattr(Ordered, "runs", runs)
    return asked


def made(**choices):
    return lab.panel(["inline", "thread"], **{"work_ms": 5, "repeats": 2, **choices})


def says(panel):
    return panel._says.value


async def until_it_ends(panel):
    return await asyncio.wait_for(panel._task, 20)


# --- run ---


def test_run_measures_what_is_chosen_and_shows_it(measured, real_figure):
    async def scenario():
        panel = made()
        panel.inputs["events"].value = 7
        panel.inputs["strategies"].value = ("inline-serial", "thread")
        panel.start.click()
        assert await until_it_ends(panel) is panel.result
        return panel

    panel = asyncio.run(scenario())
    assert isinstance(panel.result, Comparison)
    assert panel.result.strategies == ("inline-serial", "thread")
    assert [len(run) for run in panel.result.runs] == [7] * 4
    assert {(work.name, mode) for _, work, _, mode, _ in measured} == {("cpu:5ms", "threading")}
    assert panel._figure.value.startswith('<img alt="The lead figure. ')
    assert "inline-serial" in panel._table.value
    assert panel._progress.value == panel._progress.max == 4
    assert says(panel).endswith(">Done. panel.result has what was measured.</div>")


def test_the_figure_and_the_progress_follow_every_run(measured, real_figure):
    async def scenario():
        panel, seen = made(), []
        panel._figure.observe(lambda change: seen.append((panel._progress.value, bool(change.new))), "value")
        await panel.run()
        return seen

    seen = asyncio.run(scenario())
    assert [done for done, shown in seen if shown] == [1, 2, 3, 4]


def test_no_figure_stays_open(measured, real_figure):
    before = plt.get_fignums()
    asyncio.run(made().run())
    assert plt.get_fignums() == before


def test_it_measures_on_the_kernels_own_thread_so_that_nothing_competes(measured):
    before = set(threading.enumerate())
    asyncio.run(made().run())
    assert set(threading.enumerate()) == before
    assert {thread for *_, thread in measured} == {threading.main_thread()}


def test_the_loop_goes_on_between_runs(measured):
    async def scenario():
        panel, turns = made(), []

        async def somebody_else():
            while True:
                turns.append(len(measured))
                await asyncio.sleep(0)

        other = asyncio.create_task(somebody_else())
        await panel.run()
        other.cancel()
        return turns

    assert {0, 1, 2, 3, 4} <= set(asyncio.run(scenario()))


def test_pressed_where_there_is_no_loop_it_measures_at_once(measured):
    panel = made()
    panel.start.click()
    assert len(panel.result.runs) == 4


def test_while_it_measures_nothing_else_can_be_chosen_or_run(measured):
    async def scenario():
        panel = made()
        panel.start.click()
        await asyncio.sleep(0)
        during = [each.disabled for each in (*panel.inputs.values(), panel.start)], panel.cancel.disabled
        with pytest.raises(UsageError, match="measuring already"):
            await panel.run()
        panel.start.click()  # as a page does that has not heard yet that it is disabled
        await until_it_ends(panel)
        after = [each.disabled for name, each in panel.inputs.items() if name != "rate_hz"], panel.cancel.disabled
        return during, after

    (during, cancel_during), (after, cancel_after) = asyncio.run(scenario())
    assert (set(during), cancel_during) == ({True}, False)
    assert (set(after), cancel_after) == ({False}, True)
    assert len(measured) == 4


def test_a_second_run_starts_anew(measured):
    async def scenario():
        panel = made()
        first = await panel.run()
        panel.inputs["repeats"].value = 1
        return first, await panel.run()

    first, second = asyncio.run(scenario())
    assert (len(first.runs), len(second.runs)) == (4, 2)


# --- cancel ---


def test_cancel_keeps_what_was_measured(measured):
    async def scenario():
        panel = made(repeats=10)
        panel.start.click()
        while len(measured) < 3:
            await asyncio.sleep(0)
        panel.cancel.click()
        await until_it_ends(panel)
        return panel

    panel = asyncio.run(scenario())
    assert len(panel.result.runs) == len(measured) == 3
    assert "Cancelled after 3 of 20 runs. panel.result has what was measured." in says(panel)
    assert not panel.start.disabled


def test_cancel_before_the_first_run_measures_nothing(measured):
    async def scenario():
        panel = made()
        panel.start.click()
        await asyncio.sleep(0)
        panel.cancel.click()
        await until_it_ends(panel)
        return panel

    panel = asyncio.run(scenario())
    assert (panel.result, measured) == (None, [])
    assert "Cancelled after 0 of 4 runs. Nothing was measured." in says(panel)


def test_a_cancelled_panel_can_run_again(measured):
    async def scenario():
        panel = made()
        panel.start.click()
        await asyncio.sleep(0)
        panel.cancel.click()
        await until_it_ends(panel)
        return await panel.run()

    assert len(asyncio.run(scenario()).runs) == 4


# --- what goes wrong ---


def failing(error, after=1):
    def runs(order):
        for _ in range(after):
            yield simulated.run("inline", plan=order.plan)
        raise error

    return runs


def test_an_error_is_its_sentence_and_what_was_measured_stays(monkeypatch):
    monkeypatch.setattr(Ordered, "runs", failing(ClientError("the client <process> ended: run it again")))
    panel = made()
    assert asyncio.run(panel.run()) is panel.result
    assert len(panel.result.runs) == 1
    assert 'role="alert"' in says(panel)
    assert ">the client &lt;process&gt; ended: run it again</div>" in says(panel)
    assert "Traceback" not in says(panel)
    assert not panel.start.disabled


def test_a_defect_is_named_as_one(monkeypatch):
    monkeypatch.setattr(Ordered, "runs", failing(ZeroDivisionError("0"), after=0))
    panel = made()
    assert asyncio.run(panel.run()) is None
    assert "a defect of labkit" in says(panel)
    assert "ZeroDivisionError" in says(panel)


def test_an_interrupt_ends_a_cell_but_not_the_kernels_loop(monkeypatch):
    monkeypatch.setattr(Ordered, "runs", failing(KeyboardInterrupt()))

    async def scenario():
        panel = made()
        panel.start.click()
        await until_it_ends(panel)
        assert "Interrupted. panel.result has what was measured." in says(panel)
        assert not panel.start.disabled
        with pytest.raises(KeyboardInterrupt):
            await panel.run()

    asyncio.run(scenario())


def test_choices_that_do_not_go_together_are_told_at_once():
    panel = made()
    panel.inputs["mode"].value = "asgi"
    assert ">inline cannot run in mode &#x27;asgi&#x27;, only in threading" in says(panel)
    assert 'role="alert"' in says(panel)
    assert panel.start.disabled
    panel.inputs["strategies"].value = ("asgi-inline",)
    assert ">Ready: 2 runs. " in says(panel)
    assert not panel.start.disabled


def test_no_strategy_is_told_at_once():
    panel = made()
    panel.inputs["strategies"].value = ()
    assert "name at least one" in says(panel)
    assert panel.start.disabled


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"work_ms": 0}, "work_ms is 0: the panel takes 0.1 to 10000"),
        ({"events": 10**6}, "events is 1000000"),
        ({"mode": "eventlet"}, "unknown mode 'eventlet'"),
        ({"kind": "gpu"}, "kind is 'gpu': choose from"),
    ],
)
def test_a_wrong_choice_to_begin_with_is_a_usage_error(wrong, said):
    with pytest.raises(UsageError, match=said):
        made(**wrong)


def test_an_unknown_strategy_to_begin_with_is_a_usage_error():
    with pytest.raises(UsageError, match="no strategy 'no-such'"):
        lab.panel(["no-such"])


def test_without_ipywidgets_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingExtra, match=r"needs ipywidgets: pip install 'labkit\[lab\]'"):
        lab.panel()


# --- what is shown ---


def test_the_code_is_always_that_of_the_choices():
    panel = made()
    for name, value in (("kind", "io_wait"), ("work_ms", 3.5), ("plan", "poisson"), ("rate_hz", 50.0), ("repeats", 4)):
        panel.inputs[name].value = value
        assert panel.code == panel.choices.code
        assert panel.code.splitlines()[4] in panel._code.value.replace("&quot;", '"')
    assert "lab.io_wait(ms=3.5)" in panel._code.value
    assert "lab.poisson(rate_hz=50, events=10)" in panel._code.value


def test_a_burst_has_no_rate_to_choose():
    panel = made()
    assert panel.inputs["rate_hz"].disabled
    panel.inputs["plan"].value = "constant"
    assert not panel.inputs["rate_hz"].disabled


def test_every_number_has_its_unit_or_is_a_count():
    labels = {name: panel_input.description for name, panel_input in made().inputs.items()}
    assert "(ms)" in labels["work_ms"]
    assert "(events/s)" in labels["rate_hz"]
    assert all(labels.values())


def test_as_text_it_is_the_code_and_as_a_widget_the_panel():
    panel = made()
    bundle = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(panel)
    ast.parse(repr(panel).partition("\n\n")[2])


# --- in a real kernel ---

CELLS = (
    "import labkit as lab\n"
    "panel = lab.panel(['inline', 'inline-serial'], kind='io_wait', work_ms=5, repeats=20)\n"
    "panel",
    # With its first message above 64 KiB, a figure say, Jupyter starts a thread of its own: before we count.
    "from IPython.display import display\ndisplay({'text/plain': ' ' * 2**17}, raw=True)",
    "import threading, time\nbefore = set(threading.enumerate())",
    # The thread that says that all is over is the panel's own, and ends a moment later.
    "until = time.monotonic() + 2\n"
    "while set(threading.enumerate()) - before and time.monotonic() < until:\n"
    "    time.sleep(0.01)\n"
    "panel.result.strategies, len(panel.result.runs) < 40, set(threading.enumerate()) - before",
    "'what the test asks in between'",
)


@pytest.mark.measured
def test_in_a_kernel_run_and_cancel_are_heard_and_the_next_cell_has_the_result():
    """Buttons are pressed as a page does it, by messages, while the kernel measures for real."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(book, timeout=60)
    with client.setup_kernel():

        def said(code):
            cell = nbformat.v4.new_code_cell(code)
            client.execute_cell(cell, len(CELLS) - 1)
            return cell.outputs[0].data["text/plain"]

        def press(button):
            content = {
                "comm_id": ast.literal_eval(said(f"panel.{button}.comm.comm_id")),
                "data": {"method": "custom", "content": {"event": "click"}},
            }
            client.kc.shell_channel.send(client.kc.session.msg("comm_msg", content))

        client.execute_cell(book.cells[0], 0)
        client.execute_cell(book.cells[1], 1)
        client.execute_cell(book.cells[2], 2)
        press("start")
        deadline = time.monotonic() + 40
        while said("panel.result is None or len(panel.result.runs) < 2") == "True" and time.monotonic() < deadline:
            time.sleep(0.1)
        press("cancel")
        while said("panel.cancel.disabled") != "True" and time.monotonic() < deadline:
            time.sleep(0.1)
        client.execute_cell(book.cells[3], 3)
    shown = book.cells[0].outputs[0].data
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert book.cells[3].outputs[0].data["text/plain"] == "(('inline', 'inline-serial'), True, set())"
