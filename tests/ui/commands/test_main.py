"""The command: its help teaches, and wrong usage is one line and exit code 2."""

import errno
import io
import os
import signal
import subprocess
import sys

import click
import pytest

from labkit.ui.commands.main import main
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit


def test_the_groups_help_shows_what_to_type():
    found = labkit("--help").stdout
    assert all(line in found for line in ("labkit compare ", "mypkg.jobs:price", "labkit show ", "labkit list "))


@pytest.mark.parametrize("name", main.commands)
def test_every_command_and_every_option_is_explained(name):
    command = main.commands[name]
    assert len(command.help) > 20
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert command.help.split()[0] in labkit(name, "--help").stdout


def test_the_example_of_show_stays_on_one_line():
    assert "labkit show process-pool > app.py" in labkit("show", "--help").stdout


def test_short_help_is_help():
    assert labkit("compare", "-h").stdout == labkit("compare", "--help").stdout


def test_the_version():
    assert labkit("--version").stdout == "labkit, version 0.1.0\n"


# --- wrong usage ---


@pytest.mark.parametrize(
    "arguments", [("compare", "--rate", "fast"), ("compare", "--no-such"), ("dance",), ("show",), ("compare", "a", "b")]
)
def test_what_cannot_be_parsed_is_refused(arguments):
    result = labkit(*arguments)
    assert_is_refused(result)
    assert "--help" in result.stderr
    assert result.stdout == ""


# --- what a machine refuses ---


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1),
        (OSError(errno.EMFILE, "Too many open files"), 1),
        (MemoryError(), 1),
        (signal.SIGTERM, 143),
        (signal.SIGINT, 130),
    ],
)
def test_whatever_the_machine_refuses_is_one_line(error, code, monkeypatch):
    def raises(_):
        if isinstance(error, int):
            os.kill(os.getpid(), error)
        raise error

    monkeypatch.setattr("labkit.strategies.runnable", raises)
    assert_is_refused(labkit("show", "thread"), code)


def test_what_the_terminal_has_no_letters_for_is_shown_by_numbers(monkeypatch):
    said = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", said)
    monkeypatch.setattr("labkit.strategies.runnable", lambda name: "gr\u00fcn")
    monkeypatch.setattr(click, "echo", print)  # click would go round it; rich does not
    with pytest.raises(SystemExit) as end:
        main.main(["show", "thread"])
    said.seek(0)
    assert (end.value.code, said.read()) == (0, "gr\\xfcn\n")


@pytest.mark.measured
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["compare", "--help"]])
def test_where_nothing_can_be_written_there_is_no_traceback(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([LABKIT, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "labkit: no space left on device: make room or mend that, then try again\n"


@pytest.mark.measured
def test_a_reader_that_has_gone_is_told_nothing():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([LABKIT, "list"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
