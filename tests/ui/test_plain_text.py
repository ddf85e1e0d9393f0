"""What has a rich repr says the same in plain text: a terminal, a log, a notebook without HTML."""

import ast
import importlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from labkit.browser.page.notebook import Frame
from labkit.browser.trace.events import PARTS
from labkit.browser.trace.reader import Trace
from labkit.claims import CLAIMS, Verdict, claims_table
from labkit.claims import HOLDS as HOLDS_HERE
from labkit.client.audience import Manners
from labkit.experiments.capacity import Capacity, Trial
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.kinds import HOLDS
from labkit.experiments.recommend import recommend
from labkit.experiments.several_servers import SeveralServers
from labkit.plan.address import parsed
from labkit.plan.link import Link
from labkit.plan.schedules import constant
from labkit.plan.work import cpu
from labkit.runs.deliveries import Deliveries
from labkit.runs.diff import diff
from labkit.runs.gate import SIDES, judge
from labkit.runs.one_app import AcrossServers
from labkit.runs.summary import Distribution
from labkit.runs.verdicts import verdicts
from labkit.scale.network import Network
from labkit.server.in_process import Server
from labkit.server.serving import Serving
from labkit.strategies import Strategy
from tests.support import crossed, modelled, queued, rendered, shop_day, simulated
from tests.support.helpers import answer_inline, echo

ROOT = Path(__file__).parents[2]


def comparison():
    return simulated.comparison({"inline": {}, "<b>mine</b>": {"own_ms": 1000}}, plan=constant(5, events=10))


def comparison_of_a_mix():
    return simulated.comparison({"inline": {}, "<b>mine</b>": {}}, kinds=["chat", "export"], service_ms=[1, 200])


def diagnosis():
    return Diagnosis(
        work="cpu:100ms",
        kind=HOLDS,
        waiting=0.0,
        computing=1.0,
        gil_held=1.0,
        service=Distribution.of(np.full(20, 100.0)),
        first_ms=100.0,
        other_thread_waits=Distribution.of(np.array([5.0])),
        hold_ms=5.0,
        switch_interval_ms=5.0,
        payload_us=3.0,
        answer_us=3.0,
        why_not="",
        cores=2,
        gil=True,
        accounted=True,
    )


def capacity():
    trials = tuple(Trial.of(simulated.run(plan=constant(rate, events=10)), rate, 200) for rate in (5, 10))
    return Capacity("inline", "cpu:100ms", "threading", 200, "constant", 5, 10, 9.0, 100, trials, "out of time", 3.0)


def trace():
    spent, counts = dict.fromkeys(PARTS, 20.0), dict.fromkeys([*PARTS, "frame", "task"], 9)
    return Trace("http://127.0.0.1/", 7, 900.0, spent, counts, 1, 1, {"view.js:3": 1}, 0, (), (), 0, ())


def frame():
    return Frame(Server(Strategy("tested", answer_inline), echo, port=9), proxy="/user/me/")


def serving():
    strategy = Strategy("tested", answer_inline)
    return Serving(strategy, cpu(5), "threading", Server(strategy, echo))


def several_servers():
    none, one = np.zeros(0, np.int64), np.ones(1, np.int64)
    books = Deliveries(("a",), 1, one, one, one, one, none, none, none, none, none, none, none)
    return SeveralServers("", 1, 1, 20.0, Manners(), 100, {"steady": books})


#: Rich as widgets, not as HTML; what it says in plain text is tested with it.
WIDGETS = {"labkit.ui.panel.Panel"}

#: In a cell the whole of what was seen, in plain text one line of it: a server is a variable among others, and
#: ``labkit watch`` and ``labkit report`` are for the terminal. What they show is tested with them.
IN_ONE_LINE = {
    "labkit.inside.instrument.Inside",
    "labkit.inside.record.Record",
    "labkit.ui.watching.Watching",
}

#: What only those read who unfold it: a notebook's test does not compare it (notebooks/nbval_sanitize.cfg).
FOLDED = re.compile(r"<details.*?</details>")

#: An instance of every class of labkit's with a rich repr; a new class belongs here.
MAKERS = {
    "labkit.browser.page.notebook.Frame": frame,
    "labkit.browser.rendering.Rendering": rendered.rendering,
    "labkit.browser.trace.reader.Trace": trace,
    "labkit.experiments.capacity.Capacity": capacity,
    "labkit.experiments.eight_cases.EightCases": modelled.eight_cases,
    "labkit.claims.claim.Verdict": lambda: Verdict(CLAIMS["neighbours-wait"], HOLDS_HERE, 2.1),
    "labkit.claims.line.LineVerdict": lambda: claims_table({"computing": comparison()}, lines=[2])[2],
    "labkit.claims.table.ClaimsTable": lambda: claims_table({"computing": comparison()}, lines=[2, 4]),
    "labkit.runs.comparison.Comparison": comparison,
    "labkit.experiments.crossover.Crossover": crossed.crossover,
    "labkit.experiments.diagnosis.Diagnosis": diagnosis,
    "labkit.experiments.recommendation.Recommendation": lambda: recommend(diagnosis(), comparison()),
    "labkit.runs.diff.Diff": lambda: diff(comparison(), comparison()),
    "labkit.runs.gate.Judgement": lambda: judge(dict.fromkeys(SIDES, comparison().runs)),
    "labkit.runs.one_app.AcrossServers": lambda: AcrossServers(comparison(), {"gunicorn": "it is not there"}),
    "labkit.runs.verdicts.Verdicts": lambda: verdicts(comparison(), "own.max < 500ms", "own.p98 < 1s", "lost == 0"),
    "labkit.runs.table.Table": lambda: comparison_of_a_mix().by_kind(),
    "labkit.experiments.seen.Seen": shop_day.seen,
    "labkit.experiments.several_servers.SeveralServers": several_servers,
    "labkit.experiments.sustained.Sustained": queued.sustained,
    "labkit.scale.network.Network": lambda: Network(parsed("http://127.0.0.1:5000"), Link(40, 10, 0.02)),
    "labkit.server.serving.Serving": serving,
}


def rich():
    """The classes that have one, by name: read, not imported, since some modules belong in a child process."""
    found = set()
    for path in (ROOT / "labkit").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                re.fullmatch(r"_repr_\w+_|_ipython_display_", name) for name in defined(node)
            ):
                found.add(f"{module}.{node.name}")
    return found


def defined(node):
    """The names that a class's body binds."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield each.name
        elif isinstance(each, ast.Assign):
            yield from (target.id for target in each.targets if isinstance(target, ast.Name))


class Words(HTMLParser):
    """What people read of HTML, an IFrame's address included."""

    def __init__(self, text):
        super().__init__()
        self.words = set()
        self.feed(text)

    def handle_data(self, data):
        self.words.update(data.split())

    def handle_starttag(self, tag, attributes):
        self.words.update(value for name, value in attributes if name == "src")


def test_every_class_with_a_rich_repr_is_known_here():
    assert rich() == set(MAKERS) | WIDGETS | IN_ONE_LINE


@pytest.mark.parametrize("name", MAKERS)
def test_the_plain_repr_says_what_the_rich_one_says(name):
    shown = MAKERS[name]()
    module, _, class_name = name.rpartition(".")
    assert type(shown) is getattr(importlib.import_module(module), class_name)
    plain = repr(shown)
    words = Words(FOLDED.sub("", shown._repr_html_())).words
    assert len(words) > 5
    assert words <= set(plain.removeprefix("<").removesuffix(">").split())


@pytest.mark.parametrize("name", MAKERS)
def test_the_plain_repr_is_a_text_for_people(name):
    plain = repr(MAKERS[name]())
    assert " at 0x" not in plain
    assert "array(" not in plain
    assert not plain.startswith(f"{name.rpartition('.')[2]}(")
    assert max(map(len, plain.splitlines())) < 700  # a sentence or a table's row, never a record's fields
