"""The maintainer's scripts say what they do, and do nothing where an option is misspelt."""

from types import ModuleType

import pytest

from tests.maintenance import make_readme, make_solutions, ranges, refresh_notebooks


@pytest.mark.parametrize("script", [make_readme, make_solutions, ranges, refresh_notebooks])
def test_a_script_says_what_it_does(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    assert ended.value.code == 0
    assert script.__doc__.splitlines()[0] in capsys.readouterr().out


@pytest.mark.parametrize("script", [make_readme, make_solutions, ranges, refresh_notebooks])
def test_a_misspelt_option_runs_nothing(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["--al-notebooks"])
    assert ended.value.code == 2
    assert "--al-notebooks" in capsys.readouterr().err
