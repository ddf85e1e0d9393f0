"""``python -m labkit`` is the command ``labkit``."""

from labkit.ui.commands.main import main

main(prog_name="labkit")
