"""``labkit list`` and ``labkit show``: all strategies, and the code of one, which runs as it is."""

import pytest

from labkit.strategies import NAMES, names_in
from tests.ui.commands.running import assert_is_refused, labkit


def test_list_has_a_line_for_every_strategy():
    *lines, empty, last = labkit("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert empty == ""
    modes = "Modes: threading, gunicorn, gevent, gevent-unpatched, asgi. "
    assert last == modes + "(eventlet is deprecated upstream, and not measured.)"
    assert all(len(line) > 40 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_show_prints_an_app_that_compiles(name):
    result = labkit("show", name)
    compile(result.stdout, "app.py", "exec")
    assert ("uvicorn.run(" if name in names_in("asgi") else "socketio.run(") in result.stdout
    assert "labkit" not in result.stdout


def test_show_prints_the_strategy_alone():
    found = labkit("show", "thread", "--alone").stdout
    compile(found, "thread.py", "exec")
    assert "def register(" in found
    assert "socketio.run(" not in found


def test_show_refuses_what_there_is_not():
    result = labkit("show", "magic")
    assert_is_refused(result)
    assert "process-pool" in result.stderr


def test_the_earlier_name_of_alone_answers_with_the_new_one():
    result = labkit("show", "thread", "--exhibit")
    assert_is_refused(result)
    assert result.stderr == "labkit: --exhibit is called --alone now: write that\n"
    assert "--exhibit" not in labkit("show", "--help").stdout
