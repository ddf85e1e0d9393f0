"""Runs as one page: the verdict first, all that it rests on after it, and no name in it becomes markup."""

import json

import pytest

from labkit.base.errors import RecordError, UsageError
from labkit.runs.comparison import Comparison, file_name
from labkit.ui import runs_page
from tests.runs.test_one_app import across
from tests.support import simulated
from tests.ui import test_fired as fired
from tests.ui.commands.running import labkit
from tests.ui.test_report_page import MARKUP, Read


def kept(folder, *runs, **about):
    """Their folder, as a command writes it."""
    folder.mkdir(exist_ok=True)
    for number, run in enumerate(runs):
        run.save(folder / file_name(number, run))
    Comparison(runs).save_about(folder)
    if about:
        (folder / "summary.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def at_url(tmp_path):
    return kept(tmp_path / "fired", fired.run(), not_known=["handler-blocking time"])


@pytest.fixture
def compared(tmp_path):
    runs = [simulated.run(name) for name in ("inline", "thread")]
    return kept(tmp_path / "compared", *runs, recommendation={"text": "Write inline.\nIt is enough."})


def page_of(folder):
    return Read(runs_page.write(folder).read_text("utf-8"))


def test_of_a_fired_run_it_tells_what_clients_felt_then_the_table_the_figure_and_the_books(at_url):
    text = runs_page.write(at_url).read_text("utf-8")
    order = ["Fired at http://127.0.0.1:5000", "Own latency", "What was measured", "<img", "unaccounted", "Not known"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "server" in Read(text).texts["th"]


def test_of_an_app_at_several_servers_it_tells_what_follows_and_what_served(tmp_path):
    runs = across({"threading": {"own_ms": 40}, "gevent": {"own_ms": 20}}).result.runs
    text = runs_page.write(kept(tmp_path / "served", *runs, left_out={"gunicorn": "<b>no</b>"})).read_text("utf-8")
    order = ["shop:app under threading, gevent", "gunicorn was left out: &lt;b&gt;no", "come soonest under gevent"]
    order += ["3.13.0: with a GIL", "What was measured", "async_mode", "<img", "unaccounted"]
    places = [text.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert "handler-blocking time, own" not in text.lower()


def test_what_somebody_wrote_in_place_of_reasons_is_left_out(tmp_path):
    runs = across({"gevent": {"own_ms": 20}}, repeats=1).result.runs
    assert "left out" not in runs_page.write(kept(tmp_path / "served", *runs, left_out=["x"])).read_text("utf-8")


def test_of_a_comparison_the_recommendation_comes_first(compared):
    text = runs_page.write(compared).read_text("utf-8")
    assert text.index("Write inline.") < text.index("It is enough.") < text.index("What was measured")
    assert text.count("<img") == 2


def test_it_is_one_file_without_a_script_and_without_the_network(at_url):
    page = page_of(at_url)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "form"}
    assert all(attrs["src"].startswith("data:image/png") for tag, attrs in page.elements if tag == "img")
    meta = [attrs for tag, attrs in page.elements if tag == "meta"]
    policies = [attrs["content"] for attrs in meta if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [runs_page._POLICY]


def test_names_full_of_markup_are_text(tmp_path):
    about = {"recommendation": {"text": MARKUP}, "expectations": [{"expectation": MARKUP}], "not_known": [MARKUP]}
    run = simulated.run(MARKUP, work=MARKUP, messages={0: MARKUP})
    page = page_of(kept(tmp_path / "odd", run, **about))
    assert not {tag for tag, _ in page.elements} & {"script", "b"}
    assert all(attrs["src"].startswith("data:image/png") for tag, attrs in page.elements if tag == "img")
    assert not any("onerror" in attrs for _, attrs in page.elements)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"recommendation": 3}', '{"expectations": [1, {}], "not_known": 2}']
)
def test_a_summary_that_is_damaged_or_somebody_else_s_is_left_out(compared, text):
    (compared / "summary.json").write_text(text)
    assert "What was measured" in runs_page.write(compared).read_text("utf-8")


def test_a_damaged_run_is_a_sentence(compared):
    first = min(compared.glob("run-*.json"))
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(RecordError):
        runs_page.write(compared)


def test_a_page_that_cannot_be_written_is_a_sentence(compared, tmp_path):
    with pytest.raises(UsageError, match="name a file with --out"):
        runs_page.write(compared, tmp_path / "nowhere" / "page.html")


def test_the_command_makes_it_or_prints_the_table(compared, tmp_path):
    result = labkit("report", "--out", tmp_path / "friday.html", compared)
    assert result.output == f"The page is {tmp_path / 'friday.html'}\n"
    assert "inline" in labkit("report", "--text", compared).output
