"""The terminal's table fits, nothing in it is cut, and the JSON object is what README documents."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

import labkit as lab
from labkit.runs import table as tables
from labkit.strategies import NAMES
from labkit.ui import terminal
from tests.support import simulated

NEVER = math.inf
WIDTHS = (80, 100, 129, 130, 140, 200)
KEYS = {
    "schema_version", "scope", "mode", "work", "plan", "clients", "events", "service_ms", "bounds_ms", "strategies",
    "valid", "notes", "contrasts", "environment", "folder", "figure",
}  # fmt: skip
STRATEGY_KEYS = {"name", "lost", "unaccounted", "bystander", "verdict", "own", "goodput", "outcomes", "strays", "runs"}


def worst():
    """Every strategy with the widest cells that a run can end with."""
    wide = {"own_ms": 36000, "handler_ms": 36000, "blocked_ms": 36000, "bystander_ms": 300, "threads": 200}
    names = {name: {} for name in NAMES}
    names["thread"] = {"outcomes": {"timed out": 100}}
    names["thread-broadcast"] = {"own_ms": 300}  # needs work/needs work, the widest verdict
    environment = {"server_cpu_s": 123.456}
    return simulated.comparison(names, events=100, conditions=environment, strays=100, **wide)


def printed(thing, width=80, **console):
    out = io.StringIO()
    Console(file=out, width=width, **console).print(thing)
    return out.getvalue()


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def as_object(result, **arguments):
    about = {"scope_line": "on what", "figure": None, "folder": None} | arguments
    return json.loads(terminal.as_json(result, **about), parse_constant=no_constant)


# --- the table ---


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_is_no_wider_than_the_terminal(width):
    assert max(len(line.rstrip()) for line in printed(terminal.table(worst(), width), width).splitlines()) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_no_cell_of_the_table_is_cut(width):
    result = worst()
    found = printed(terminal.table(result, width), width)
    assert "…" not in found
    assert all(word in found for header in tables.HEADERS for word in header.split())
    assert all(cell in found for summary in result.summaries for cell in tables.row(summary))


@pytest.mark.parametrize(("width", "rows"), [(80, 2), (120, 2), (150, 1)])
def test_a_narrow_table_comes_in_two_parts_that_both_name_the_strategy(width, rows):
    lines = printed(terminal.table(worst(), width), width).splitlines()
    assert sum(line.startswith("server-batch") for line in lines) == rows


def test_at_80_columns_a_table_with_more_counts_than_fit_comes_in_three_parts():
    """Answers in reverse make the widest cell of all."""
    names = ("inline", "asgi-process-pool", "thread-broadcast")
    result = simulated.comparison(
        {name: {"own_ms": range(450, 250, -1)} for name in names}, clients=1, bystander_ms=300, threads=200
    )
    found = printed(terminal.table(result, 80))
    assert all(cell in found for summary in result.summaries for cell in tables.row(summary))
    assert found.count("597 of 597") == len(names)
    assert max(len(line.rstrip()) for line in found.splitlines()) <= 80
    assert sum(line.startswith("inline ") for line in found.splitlines()) == 3


def test_no_cell_is_cut_at_80_columns_where_runs_are_invalid():
    result = simulated.comparison({name: {"outcomes": {"unaccounted": 1}} for name in ("inline-serial", "thread")})
    found = printed(terminal.table(result, 80))
    assert "inline-serial (3 of 3 INVALID)" in found
    assert "…" not in found
    assert max(len(line.rstrip()) for line in found.splitlines()) <= 80


def test_a_strategy_that_lost_events_stands_out():
    def style(result):
        return terminal.table(result, 200).rows[0].style

    assert style(simulated.comparison({"inline": {"outcomes": {"timed out": 1}}})) == "bold red"
    assert style(simulated.comparison({"inline": {"outcomes": {"unaccounted": 1}}})) == "bold red"
    assert style(simulated.comparison({"inline": {}})) == ""


# --- what stands below it ---


def test_the_end_says_what_is_invalid():
    result = simulated.comparison({"inline": {}, "thread": {"outcomes": {"unaccounted": 1}}})
    assert "INVALID: 1 events have no outcome" in printed(terminal.final(result, 200), 200)


def test_the_end_says_what_needs_caution():
    result = simulated.comparison({"inline": {"conditions": {"full_collections": 3}}})
    found = printed(terminal.final(result, 200), 200)
    assert "caution: 3 full garbage collections" in found
    assert "INVALID" not in found


def test_the_end_has_a_legend_with_the_bounds_that_were_used():
    result = simulated.comparison({"inline": {}}, bounds_ms=(17.0, 34.0))
    found = printed(terminal.final(result, 200), 200)
    assert "up to 17 ms good, above 34 ms poor" in found


def test_the_end_fits_a_narrow_terminal():
    result = simulated.comparison({"inline": {"outcomes": {"unaccounted": 1}}})
    found = printed(terminal.final(result, 80), 80)
    assert max(len(line.rstrip()) for line in found.splitlines()) <= 80
    assert "…" not in found


# --- while it is measured ---


def news(result, **console):
    out = io.StringIO()
    with terminal.progress(Console(file=out, width=80, **console), len(result.runs)) as screen:
        for number, run in enumerate(result.runs):
            screen.update(type(result)(result.runs[: number + 1]), run)
    return out.getvalue()


def test_where_nobody_can_redraw_each_run_is_a_line():
    lines = news(simulated.comparison({"inline": {}, "thread": {}}, repeats=2), force_terminal=False).splitlines()
    assert [line.split("]")[0] for line in lines] == [f"[{n} of 4 runs" for n in range(1, 5)]
    assert all("lost 0" in line for line in lines)


def test_a_run_is_a_line_however_long_its_latencies():
    result = simulated.comparison({"thread-broadcast": {"own_ms": 15000, "bystander_ms": 1500}}, repeats=10)
    assert len(news(result, force_terminal=False).splitlines()) == 10


def test_a_terminal_shows_the_table_so_far_and_how_to_stop():
    found = news(simulated.comparison({"inline": {}, "thread": {}}, repeats=1), force_terminal=True)
    assert "1 of 2 runs; Ctrl-C keeps what is there" in found
    assert "own" in found


# --- the first line ---


def test_the_scope_says_on_what_was_measured_and_on_what_not():
    said = terminal.scope("threading", "3 events at once from 3 clients", lab.io_wait(5), 5.2)
    assert said.startswith("Werkzeug in this process, async_mode=threading; nothing here is said of another mode.")
    assert said.endswith("3 events at once from 3 clients; io_wait:5ms, 5 ms each when nothing else runs.")


def test_who_serves_a_function_of_the_reader_s_is_a_process_of_its_own():
    work = replace(lab.io_wait(5), place=object())
    assert terminal.scope("threading", "", work, 5).startswith("Werkzeug in a process of its own, async_mode=threading")
    assert terminal.scope("gevent", "", work, 5) == terminal.scope("gevent", "", lab.io_wait(5), 5)


# --- JSON ---


def test_the_object_has_the_documented_keys():
    found = as_object(simulated.comparison({"inline": {}}))
    assert set(found) == KEYS
    assert set(found["strategies"][0]) >= STRATEGY_KEYS
    assert set(found["strategies"][0]["own"]) == {"samples", "p50_ms", "p98_ms", "max_ms"}


def test_the_object_says_what_was_measured():
    result = simulated.comparison({"thread": {"own_ms": 7}, "inline": {"own_ms": 9}}, repeats=2, bounds_ms=(1.0, 2.0))
    found = as_object(result, scope_line="here")
    assert [s["name"] for s in found["strategies"]] == ["thread", "inline"]
    assert [s["own"]["p50_ms"] for s in found["strategies"]] == [7, 9]
    assert [s["runs"] for s in found["strategies"]] == [2, 2]
    assert [s["order"] for s in found["strategies"]] == [{"kept": None, "overtaken": 0, "of": 0}] * 2
    assert (found["scope"], found["mode"], found["work"]) == ("here", "threading", "cpu:100ms")
    assert (found["plan"], found["events"], found["service_ms"]) == ("10 events at once from 10 clients", 10, 100)
    assert found["bounds_ms"] == [1, 2]


def test_what_never_came_is_null():
    found = as_object(simulated.comparison({"inline": {"own_ms": [NEVER] * 10, "bystander_ms": NEVER}}))
    inline = found["strategies"][0]
    assert inline["own"]["p50_ms"] is inline["own"]["max_ms"] is inline["bystander"]["p98_ms"] is None
    assert (inline["lost"], inline["verdict"]) == (30, "poor")


def test_what_was_not_measured_is_null():
    result = simulated.comparison({"inline": {}}, pings=0, threads=None, instrumented=False)
    result = type(result)(tuple(without_cpu(run) for run in result.runs))
    inline = as_object(result)["strategies"][0]
    assert inline["bystander"] == {"samples": 0, "p50_ms": None, "p98_ms": None, "max_ms": None}
    assert inline["handler_blocking"]["p50_ms"] is inline["threads_peak"] is inline["server_cpu_s"] is None


def without_cpu(run):
    return replace(run, conditions=replace(run.conditions, server_cpu_s=None))


def test_the_object_says_whether_it_can_be_trusted():
    valid = as_object(simulated.comparison({"inline": {}}))
    invalid = as_object(simulated.comparison({"inline": {"outcomes": {"unaccounted": 2}}}, repeats=1))
    assert (valid["valid"], [note[:5] for note in valid["notes"]]) == (True, ["note:"])
    assert (invalid["valid"], invalid["strategies"][0]["unaccounted"]) == (False, 2)
    assert invalid["notes"][0].startswith("INVALID: 2 events")


def test_the_object_says_where_the_files_are(tmp_path):
    found = as_object(simulated.comparison({"inline": {}}), folder=tmp_path, figure=tmp_path / "overview.png")
    assert (found["folder"], found["figure"]) == (str(tmp_path), str(tmp_path / "overview.png"))


def test_the_object_tells_neither_host_nor_user():
    assert set(as_object(simulated.comparison({"inline": {}}))["environment"]) == {
        "python", "implementation", "gil", "system", "cores", "versions",
    }  # fmt: skip


def test_what_is_no_json_is_refused_instead_of_written():
    result = simulated.comparison({"inline": {}}, repeats=1)
    with pytest.raises(ValueError, match="JSON"):
        terminal.as_json(result, scope_line="", figure=None, folder=None, more={"figure_of_doubt": math.nan})


@pytest.mark.parametrize("name", ["[red]x", "[/]", "[bold]a[/nope]"])
def test_markup_in_a_name_is_text(name):
    screen = io.StringIO()
    Console(file=screen, width=250).print(terminal.final(simulated.comparison({name: {}, "inline": {}}), 250))
    assert f"\n{name} " in screen.getvalue()
