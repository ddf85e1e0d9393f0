"""How tests run the command, and what they expect of its refusals."""

import inspect
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from labkit.ui.commands.main import main

LABKIT = Path(sys.executable).with_name("labkit")


def labkit(*arguments):
    """The command in this process."""
    # Until click 8.1 both streams were one unless told otherwise.
    separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**separate).invoke(main, [str(a) for a in arguments], prog_name="labkit")


def real(*arguments):
    """The installed console script in a process of its own."""
    return subprocess.run([LABKIT, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def written(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def assert_is_refused(result, code=2):
    """One sentence, no traceback."""
    assert result.exit_code == code
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("labkit: ")
    assert "Traceback" not in result.stdout + result.stderr
    assert isinstance(result.exception, SystemExit)
