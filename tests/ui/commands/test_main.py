"""The command: its help teaches, and wrong usage is one line and exit code 2."""

import click
import pytest

from labkit.ui.commands.main import main
from tests.ui.commands.running import assert_is_refused, labkit


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
