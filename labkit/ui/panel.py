"""The control panel: choose, Run, look, and take the code that does the same along. For a notebook.

A button's message and a cell's run in the same place, the kernel's main thread, one after the other. So a measurement
that a button starts is an asyncio task of the kernel's own loop, and it measures *there*, one run after the other, with
a pause between two. In a pause the kernel takes what has come: Cancel, or a cell. Within a run it takes nothing. A
thread would let it, and then completing a name that the reader types, or a cell that measures too, would compete for
the GIL with what is being measured, and look like the server's fault. The price is that Cancel waits for the run that
is under way; the panel says how long that is. And there is no thread that could be left behind. (The kernel's own
Interrupt does not reach it: ipykernel ignores that while no cell runs.)

The module is not called `panel`, since it would hide the function ``lab.panel`` from whoever has imported it.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from labkit.base.errors import LabError, MissingExtra, UsageError
from labkit.plan import modes
from labkit.plan.schedules import CLIENTS
from labkit.runs.comparison import Comparison
from labkit.strategies import NAMES
from labkit.ui.panel_choices import KINDS, PLANS, Choices

#: Between two runs, in seconds: time for what was shown to reach the page, and for Cancel to arrive from it.
PAUSE_S = 0.1

#: Which widget a choice is, its label with its unit, and its limits.
_NUMBERS: Mapping[str, tuple[str, str, float, float]] = {
    "work_ms": ("BoundedFloatText", "Size of the work (ms)", 0.1, 10_000),
    "events": ("BoundedIntText", "Events", 1, 10_000),
    "rate_hz": ("BoundedFloatText", "Rate (events/s)", 0.1, 5_000),
    "connections": ("BoundedIntText", "Clients", 1, 200),
    "repeats": ("BoundedIntText", "Runs of each strategy", 1, 50),
}

_TO_COPY = "The code that does the same, to copy into a cell:"

_LABELS = {"style": {"description_width": "11.5em"}, "layout": {"width": "32em"}}


def panel(
    strategies: Sequence[str] = ("inline", "thread", "process-pool"),
    *,
    mode: str = "threading",
    kind: str = "cpu",
    work_ms: float = 100,
    plan: str = "burst",
    events: int = 10,
    rate_hz: float = 20,
    connections: int = CLIENTS,
    repeats: int = 3,
) -> "Panel":
    """A panel to choose what is compared, measure it, and see it: the last expression of a notebook's cell.

    Args:
        strategies: by name, chosen at first; all others are there to choose.
        mode: how the server runs: one of :data:`labkit.plan.modes.MODES`.
        kind: of work: ``cpu``, ``io_wait`` or ``cpu_nogil``.
        work_ms: its size.
        plan: ``burst``, ``constant`` or ``poisson``.
        events: how many.
        rate_hz: events per second, of the two plans that have a rate.
        connections: clients that send, in turn.
        repeats: runs of each strategy.

    Raises:
        MissingExtra: ipywidgets is not installed.
        UsageError: a choice to begin with is not one of those that there are, or beyond its limits.
    """
    return Panel(Choices(tuple(strategies), mode, kind, work_ms, plan, events, rate_hz, connections, repeats))


class Panel:
    """Widgets around :class:`~labkit.ui.panel_choices.Choices`; shows itself in a notebook.

    Attributes:
        result: what was measured last, a :class:`~labkit.runs.comparison.Comparison`; also what there was when it was
            cancelled or failed. None before, and while nothing has been measured yet.
        inputs: the widgets of the choices, by the names of :class:`~labkit.ui.panel_choices.Choices`.
        start, cancel: the buttons.
        widget: all of it.
    """

    def __init__(self, choices: Choices) -> None:
        widgets = _ipywidgets()
        _require_known(choices)
        self.result: Comparison | None = None
        self._task: asyncio.Task[Comparison | None] | None = None
        self._running = self._cancelled = False
        self.inputs = _inputs(widgets, choices)
        self.start = widgets.Button(description="Run", button_style="primary", tooltip="Measure what is chosen")
        self.cancel = widgets.Button(
            description="Cancel", disabled=True, tooltip="Stop after the run that is under way"
        )
        self._progress = widgets.IntProgress(value=0, max=1, description="Runs done", style=_LABELS["style"])
        self._says, self._figure, self._table, self._code = (widgets.HTML(layout={"width": "98%"}) for _ in range(4))
        order = ("mode", "kind", "work_ms", "plan", "events", "rate_hz", "connections", "repeats")
        self.widget = widgets.VBox(
            [
                widgets.HBox(
                    [self.inputs["strategies"], widgets.VBox([self.inputs[name] for name in order])],
                    layout={"flex_flow": "row wrap"},
                ),
                widgets.HBox([self.start, self.cancel, self._progress]),
                self._says,
                self._figure,
                self._table,
                self._code,
            ]
        )
        for each in self.inputs.values():
            each.observe(lambda _: self._changed(), "value")
        self.start.on_click(lambda _: self._pressed())
        self.cancel.on_click(lambda _: self._stop())
        self._changed()

    @property
    def choices(self) -> Choices:
        """What is chosen now."""
        return Choices(**{name: each.value for name, each in self.inputs.items()})

    @property
    def code(self) -> str:
        """The code that measures the same without the panel."""
        return self.choices.code

    async def run(self) -> Comparison | None:
        """Measure what is chosen, as the button does: ``await panel.run()`` in a cell.

        Returns:
            :attr:`result`. An error of the lab's is shown in the panel, as the sentence that it is.

        Raises:
            UsageError: it is measuring already.
        """
        if self._running:
            raise UsageError("the panel is measuring already: wait for it, or press Cancel")
        chosen = self.choices
        self.result, self._cancelled, self._running = None, False, True
        self._figure.value = self._table.value = ""
        self._progress.max, self._progress.value = max(1, chosen.runs), 0
        self._allow()
        try:
            ending = await self._measured(chosen)
        except LabError as error:
            self._say(str(error), wrong=True)
        except Exception as error:  # noqa: BLE001 (shown, since nobody else looks at what a button's task raised)
            self._say(f"This is a defect of labkit, run the code below in a cell for the whole of it: {error!r}", True)
        except BaseException:  # the kernel's interrupt, or the task's own cancellation
            self._say("Interrupted." + self._kept(), wrong=True)
            raise
        else:
            self._say(ending + self._kept())
        finally:
            self._running = False
            self._allow()
        return self.result

    async def _measured(self, chosen: Choices) -> str:
        """Measure run by run, on this very thread (see the module); how it ended."""
        runs: list[Any] = []
        self._say(f"Measuring. {_how_long(chosen)}")
        await asyncio.sleep(PAUSE_S)
        order = chosen.ordered()
        coming = order.runs()
        while not self._cancelled:
            run = next(coming, None)
            if run is None:
                return "Done."
            runs.append(run)
            self.result = Comparison(tuple(runs), names=order.names)
            self._progress.value = len(runs)
            self._show(self.result)
            self._say(f"{len(runs)} of {chosen.runs} runs. {_how_long(chosen)}")
            await asyncio.sleep(PAUSE_S)
        return f"Cancelled after {len(runs)} of {chosen.runs} runs."

    def _pressed(self) -> None:
        if self._running:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel, so there is nobody to wait for either
            asyncio.run(self.run())
        else:
            self._task = loop.create_task(self._alone())  # kept: a loop holds its tasks weakly

    async def _alone(self) -> Comparison | None:
        # What a button's task raised would end the kernel's loop, if it is the interrupt of a cell beside it.
        with contextlib.suppress(KeyboardInterrupt):
            return await self.run()
        return self.result

    def _stop(self) -> None:
        self._cancelled = True

    def _kept(self) -> str:
        return " panel.result has what was measured." if self.result is not None else " Nothing was measured."

    def _changed(self) -> None:
        chosen = self.choices
        self.inputs["rate_hz"].disabled = chosen.plan == "burst"
        self._code.value = _copyable(chosen.code)
        problem = chosen.problem
        if problem:
            self._say(problem, wrong=True)
        elif not self._running:
            self._say(f"Ready: {chosen.runs} {'run' if chosen.runs == 1 else 'runs'}. {_how_long(chosen)}")
        self._allow(problem)

    def _allow(self, problem: str = "") -> None:
        """What can be pressed now. While it measures nothing else can be chosen, so the code is that of the figure."""
        self.start.disabled = self._running or bool(problem)
        self.cancel.disabled = not self._running
        for name, each in self.inputs.items():
            each.disabled = self._running or (name == "rate_hz" and self.inputs["plan"].value == "burst")

    def _say(self, sentence: str, wrong: bool = False) -> None:
        # role: screen readers tell it when it changes, an alert at once.
        role, weight = ("alert", "bold") if wrong else ("status", "normal")
        self._says.value = f'<div role="{role}" style="font-weight: {weight}">{escape(sentence)}</div>'

    def _show(self, result: Comparison) -> None:
        self._figure.value = _picture(result)
        self._table.value = f'<div style="overflow-x: auto; line-height: 1.4">{result._repr_html_()}</div>'

    def __repr__(self) -> str:
        return f"A control panel, for a notebook that shows widgets. {_TO_COPY}\n\n{self.code}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = self.widget._repr_mimebundle_(**kwargs)
        return {**shown, "text/plain": repr(self)}


def _how_long(chosen: Choices) -> str:
    return f"A run takes about {max(1, round(1 + chosen.run_s))} s, and Cancel waits for the one under way."


def _copyable(code: str) -> str:
    # A text area and not <pre>: the keyboard reaches it, and "select all" takes the code and nothing else.
    style = "width: 100%; max-width: 60em; font-family: monospace; color: inherit; background: transparent"
    return (
        f'<div>{_TO_COPY}</div><textarea readonly aria-label="{_TO_COPY}" rows="{code.count(chr(10)) + 1}" '
        f'spellcheck="false" style="{style}">{escape(code)}</textarea>'
    )


def _picture(result: Comparison) -> str:
    """The lead figure as HTML, with its finding as the text for those who don't see it."""
    from labkit import plots
    from labkit.plots import style
    from labkit.plots.titles import headline

    told = f"The lead figure. {headline(result)} The table below has the numbers."
    return style.embedded(plots.overview(result), told)


def _inputs(widgets: Any, choices: Choices) -> dict[str, Any]:
    """The widgets of the choices, by the names of the choices."""
    inputs = {
        "strategies": widgets.SelectMultiple(
            options=NAMES,
            value=choices.strategies,
            rows=9,
            description="Strategies",
            tooltip="Ctrl or Shift for several",
            **_LABELS,
        ),
        "mode": _select(widgets, "Mode of the server", {name: name for name in modes.MODES}, choices.mode),
        "kind": _select(widgets, "Kind of work", KINDS, choices.kind),
        "plan": _select(widgets, "Schedule", PLANS, choices.plan),
    }
    for name, (widget, label, low, high) in _NUMBERS.items():
        inputs[name] = getattr(widgets, widget)(
            value=getattr(choices, name), min=low, max=high, description=label, **_LABELS
        )
    return inputs


def _select(widgets: Any, label: str, options: Mapping[str, str], value: str) -> Any:
    pairs = [(said, name) for name, said in options.items()]
    return widgets.Dropdown(options=pairs, value=value, description=label, **_LABELS)


def _require_known(choices: Choices) -> None:
    """UsageError unless the widgets can show them."""
    unknown = [name for name in choices.strategies if name not in NAMES]
    if unknown:
        raise UsageError(f"the panel has no strategy {unknown[0]!r}: choose from {', '.join(NAMES)}")
    if choices.mode not in modes.MODES:
        raise UsageError(f"unknown mode {choices.mode!r}: choose from {', '.join(modes.MODES)}")
    for name, (_, label, low, high) in _NUMBERS.items():
        if not low <= getattr(choices, name) <= high:
            raise UsageError(f"{name} is {getattr(choices, name)}: the panel takes {low:g} to {high:g} ({label})")


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError:
        raise MissingExtra("the control panel needs ipywidgets: pip install 'labkit[lab]'") from None
    return ipywidgets
