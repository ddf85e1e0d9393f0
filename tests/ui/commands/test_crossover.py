"""The command `labkit crossover`: what it says first, what it keeps, how it goes on, what it refuses."""

import json
import signal
import subprocess
import time

import pytest

from labkit.base.errors import ServerError
from labkit.experiments import crossover_runs
from labkit.plan.calibration import Expected
from labkit.scale import redis_server
from tests.support.crossed import World
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit, written

SMALL = ("--strategies", "inline,process-pool", "--service-ms", "20", "--load", "0.6,1.5", "--workers", "1")


@pytest.fixture(autouse=True)
def world(monkeypatch):
    """Stands in for measuring: a machine of known costs. It can be told to fail after so many runs."""
    known, left = World(), {"runs": 1_000, "error": None}

    def alone(work, seed=0):
        return Expected((0,), (0,), True, (work.ms,), (work.ms,))

    def measured(*args, **settings):
        if not left["runs"]:
            raise left["error"]
        left["runs"] -= 1
        return known.measured(*args, **settings)

    monkeypatch.setattr(crossover_runs, "calibrated", alone)
    monkeypatch.setattr(crossover_runs, "measure", measured)
    monkeypatch.setattr(redis_server, "require_named", lambda: None)
    known.left = left
    return known


def asked(*arguments):
    return labkit("crossover", *arguments)


def test_it_says_how_long_it_takes_and_keeps_cells_and_figure(here):
    found = asked(*SMALL, "--out", "X")
    assert found.exit_code == 0, found.output
    first, second, *_ = found.stdout.splitlines()
    assert first == "4 cells; about 40 s. The cells are kept in X."
    assert second.startswith("  1 of 4: ")
    assert ": breaks, p98" in found.stdout
    assert "With 1 worker, p98 is within 200 ms under" in found.stdout
    assert (here / "X" / "crossover.png").read_bytes().startswith(b"\x89PNG")
    assert len([name for name in written(here / "X") if name.startswith("cell-")]) == 8


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (ServerError("it broke"), 1)])
def test_an_early_end_keeps_the_cells_and_says_how_to_go_on(world, here, error, code):
    world.left.update(runs=5, error=error)
    found = asked(*SMALL, "--out", "X")
    assert found.exit_code == code, found.output
    assert "after 3 of 4 cells, which are kept (labkit crossover --resume X goes on)" in found.stdout
    assert "1 of 4 cells are not measured yet" in found.stdout
    world.left.update(runs=1)
    found = asked("--resume", "X")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("4 cells, 3 of them are measured already; about ")
    assert "  4 of 4: " in found.stdout


@pytest.mark.parametrize("out", [(), ("--out", "X")])
def test_an_end_before_the_first_cell_leaves_nothing(world, here, out):
    world.left.update(runs=2, error=KeyboardInterrupt())  # when both are calibrated
    found = asked(*SMALL, *out)
    assert found.exit_code == 130
    assert "nothing was kept" in found.stderr
    assert written(here) == []


def test_out_goes_on_with_the_same_settings_and_refuses_others(here):
    asked(*SMALL, "--out", "X")
    assert asked(*SMALL, "--out", "X").exit_code == 0
    assert_is_refused(found := asked(*SMALL, "--bound", "100", "--out", "X"))
    assert "holds a map with other settings (bound_ms 200.0, not 100.0)" in found.stderr


def test_json_is_all_of_standard_output():
    told = json.loads(asked(*SMALL, "--json").stdout)
    assert (told["schema_version"], told["measured"], told["exit_code"]) == (1, 4, 0)
    assert {cell["verdict"] for cell in told["cells"]} <= {"holds", "breaks"}


def test_quick_is_a_small_grid_of_which_each_side_can_be_named(world):
    asked("--quick", "--workers", "2")
    cells = {(name, workers, work) for name, workers, work, _, settings in world.asked if "expected" in settings}
    assert {work for _, _, work in cells} == {"cpu:5ms", "cpu:40ms"}
    assert {name: workers for name, workers, _ in cells} == {"inline": 0, "process-pool": 2, "celery": 2}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--service-ms", "5;20"), "are not numbers"),
        (("--workers", "1.5"), "are not whole numbers"),
        (("--load", "60"), "is it a percentage"),
        (("--strategies", "inline,magic"), "unknown strategy"),
        (("--strategies", ""), "unknown strategy"),
        (("--resume", "X", "--quick"), "leave the others out"),
        (("--resume", "nowhere"), "there is no crossover.json"),
        (("--out", "file"), "is a file"),
        (("--mode", "asgi"), "cannot run in mode"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_leaves_no_folder(world, here, arguments, says):
    (here / "file").write_text("")
    found = asked(*arguments)
    assert_is_refused(found, code=1 if "nowhere" in arguments else 2)
    assert says in found.stderr
    assert written(here) == ["file"]
    assert world.asked == []


@pytest.mark.measured
def test_a_real_interrupt_keeps_what_was_measured(here):
    process = subprocess.Popen(
        [LABKIT, "crossover", "--strategies", "inline", "--service-ms", "2", "--load", "0.2,0.3", "--workers", "1",
         "--out", here / "X"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    for line in process.stdout:
        said.append(line)
        if "1 of 2:" in line:
            time.sleep(0.2)  # in the middle of the second
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130, [*said, rest]
    assert "after 1 of 2 cells, which are kept" in rest
    assert "Traceback" not in rest
    assert "in-use" not in written(here / "X")
