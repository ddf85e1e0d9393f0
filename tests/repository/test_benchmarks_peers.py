"""The peers benchmark's pure parts: what peers report is read right, a missing peer is a row, nobody is left behind."""

import json
import math
import sys

import psutil
import pytest

from tests.benchmarks.peers import reports, stall, tables
from tests.benchmarks.peers.__main__ import interleaved
from tests.benchmarks.peers.cost import Cost
from tests.benchmarks.peers.processes import Failed, Started, run
from tests.benchmarks.peers.reports import Report
from tests.benchmarks.peers.stall import Stall
from tests.support.helpers import nothing_left_behind, wait_until

# The form of Locust 2.47, figures made up.
LOCUST = """
Type     Name           # reqs      # fails |    Avg     Min     Max    Med |   req/s  failures/s
--------|-------------|-------|-------------|-------|-------|-------|-------|--------|-----------
WS       connect             8     0(0.00%) |      6       5       6      6 |    1.65        0.00
WSC      message           896     2(0.22%) |      5       0    1000      1 |   89.10        0.20
WSE      message           896     0(0.00%) |      0       0       0      0 |   89.10        0.00
--------|-------------|-------|-------------|-------|-------|-------|-------|--------|-----------
         Aggregated       1800     2(0.11%) |      2       0    1000      1 |  179.85        0.20

Response time percentiles (approximated)
Type     Name            50%    66%    75%    80%    90%    95%    98%    99%  99.9% 99.99%   100% # reqs
--------|------------|--------|------|------|------|------|------|------|------|------|------|------|------
WS       connect           6      6      6      6      7      7      7      7      7      7      7      8
WSC      message           1      1      1      1      2      3      8     12    960   1000   1000    896
WSE      message           0      0      0      0      0      0      0      0      0      0      0    896
"""


def test_locusts_summary_is_read_by_the_titles_of_its_columns():
    assert reports.locust(LOCUST) == Report(894, (3, 12, 960))


def test_a_locust_that_called_nothing_is_no_report():
    with pytest.raises(ValueError, match="no row of calls"):
        reports.locust(LOCUST.replace("WSC", "WSX"))


def test_artillerys_report_is_read():
    summary = {"min": 0, "count": 1000, "p95": 7.2, "p99": 25.8, "p999": 982.6}
    text = json.dumps({"aggregate": {"counters": {}, "summaries": {"socketio.response_time": summary}}})
    assert reports.artillery(text) == Report(1000, (7.2, 25.8, 982.6))


def test_an_artillery_that_timed_nothing_says_what_it_counted():
    text = json.dumps({"aggregate": {"counters": {"errors.xhr poll error": 4}, "summaries": {}}})
    with pytest.raises(ValueError, match="xhr poll error"):
        reports.artillery(text)


def test_of_our_scripts_the_last_line_counts():
    latencies = list(range(1, 1001))
    text = "a warning\n" + json.dumps({"acks": 1000, "latencies_ms": latencies})
    assert reports.ours(text) == Report(1000, (950, 990, 999))
    assert reports.ours('{"acks": 3, "percentiles_ms": [1, 2, 3]}') == Report(3, (1, 2, 3))
    assert all(math.isnan(p) for p in reports.ours('{"acks": 3}').percentiles_ms)


def test_the_truth_is_lindleys():
    # Of 1,000 arrivals 100 meet the stall: the first waits for 1000 ms, the next for 990, the last for 10.
    assert stall.truth().percentiles_ms == pytest.approx((500, 900, 990))


def test_costs_are_medians_and_the_cheapest_comes_first():
    costs = {
        "dear": [Cost(1000, 1.0, 0.1, 1.0)],
        "absent": [],
        "cheap": [Cost(acks, 2.0, 1.0, 4.0) for acks in (4000, 9000, 5000)],
    }
    rows = tables.cost_rows(costs, {"absent": ["Node.js and npm are not here"], "cheap": ["too late"]})
    assert [row[0] for row in rows] == ["cheap", "dear", "absent"]
    assert rows[0][1:] == ("2,500", "2,000 to 4,500", "400", "0.50", "0.25", "3 of 4 (too late)")
    assert rows[2][1] == "Node.js and npm are not here"
    assert len({len(row) for row in rows} | {len(tables.COST_HEADERS)}) == 1


def test_what_a_peer_says_of_the_stall_stands_beside_the_truth():
    truth = Report(1000, (500.0, 900.0, 990.0))
    rounds = {
        ("a", "loop"): [Stall(Report(900, (1.0, p99, 960.0)), 900) for p99 in (9.0, 18.0, 27.0)],
        ("b", "timer"): [],
    }
    first, told, missing = tables.stall_rows(truth, rounds, {("b", "timer"): ["exit code 1: why"]})
    assert first[2:6] == ("1,000", "500", "900", "990")
    assert told[2:] == ("900", "1.0", "18.0", "960", "9.0 to 27.0", "2%", "3")
    assert missing[:2] == ("b", "exit code 1: why")
    assert {len(first), len(told), len(missing)} == {len(tables.STALL_HEADERS)}


def test_markdown_keeps_its_columns_whatever_a_peer_says():
    text = tables.render(tables.COST_HEADERS, [tables.absent("x", "a|b", len(tables.COST_HEADERS))], markdown=True)
    assert {line.replace("\\|", "").count("|") for line in text.splitlines()} == {len(tables.COST_HEADERS) + 1}


def test_rounds_are_interleaved_and_a_failure_stops_nobody():
    called = []

    def fails():
        called.append("bad")
        raise Failed("not here")

    tasks = {"bad": fails, "good": lambda: called.append("good") or 1}
    found, failures = interleaved(tasks, 3, seed=0)
    assert found == {"bad": [], "good": [1, 1, 1]}
    assert failures == {"bad": ["not here"] * 3, "good": []}
    assert all(set(called[i : i + 2]) == {"bad", "good"} for i in (0, 2, 4))


@pytest.mark.measured
def test_a_process_that_does_not_end_is_ended_with_what_it_started(tmp_path):
    inner = "import time; time.sleep(60)"
    outer = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {inner!r}]); print(p.pid, flush=True)"
    with nothing_left_behind(), Started([sys.executable, "-c", f"{outer}; p.wait()"], {}, tmp_path) as one:
        assert wait_until(lambda: (tmp_path / "stdout").read_text().endswith("\n"), timeout_s=20)
        child = int((tmp_path / "stdout").read_text())
        assert psutil.pid_exists(child)
        with pytest.raises(Failed, match="still running"):
            one.output(0.1)
    assert wait_until(lambda: not psutil.pid_exists(child))


@pytest.mark.measured
def test_a_process_that_fails_is_told_by_its_last_words():
    with pytest.raises(Failed, match="exit code 3: the reason"):
        run([sys.executable, "-c", "import sys; print('the reason', file=sys.stderr); sys.exit(3)"], limit_s=20)


@pytest.mark.measured
def test_a_command_that_is_not_there_is_a_failure():
    with pytest.raises(Failed, match="no-such-command"):
        run(["no-such-command"], limit_s=5)
