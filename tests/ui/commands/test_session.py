"""What the commands share: how they end, and where results go."""

import errno
import os
import signal
import threading

import pytest

from labkit.base import clock
from labkit.base.errors import ServerError, UsageError
from labkit.base.interrupts import Terminated
from labkit.ui.commands import session
from labkit.ui.commands.session import INTERRUPTED, INVALID, MEASURED, Session
from tests.support.helpers import swallowed
from tests.ui.commands.running import written


class Counting(Session):
    """Measures steps that a test gives; an exception among them is raised."""

    def __init__(self, *steps, finishing=()):
        super().__init__()
        self.steps, self.done, self.ends = steps, [], []
        self.finishing = list(finishing)

    @property
    def kept(self):
        return f" after {session.counted(len(self.done), 'step')}" if self.done else ""

    def measure(self):
        for step in self.steps:
            if isinstance(step, BaseException):
                raise step
            self.done.append(step)

    def finish(self, code, early=""):
        self.ends.append((code, early))
        if self.finishing:
            raise self.finishing.pop()
        raise SystemExit(code)


def ended(*steps, **more):
    counting = Counting(*steps, **more)
    with pytest.raises(SystemExit) as end:
        counting.run()
    return end.value.code, counting.ends[-1][1]


def test_what_is_measured_is_finished():
    assert ended(1, 2) == (MEASURED, "")


def test_an_interrupt_finishes_what_was_measured():
    assert ended(1, 2, KeyboardInterrupt()) == (INTERRUPTED, "Interrupted after 2 steps.")


def test_an_interrupt_that_python_swallows_is_one():
    class Swallowing(Counting):
        def measure(self):
            super().measure()
            swallowed(KeyboardInterrupt())

    counting = Swallowing(1, 2)
    with pytest.raises(SystemExit) as end:
        counting.run()
    assert (end.value.code, counting.ends) == (INTERRUPTED, [(INTERRUPTED, "Interrupted after 2 steps.")])


def test_a_signal_to_end_is_told_and_is_the_exit_code():
    assert ended(1, 2, Terminated(signal.SIGTERM)) == (143, "Ended by SIGTERM after 2 steps.")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "X/run.npz"),
            "X/run.npz: no space left on device: make room",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "raise the limit"),
        (OSError(errno.EACCES, "Permission denied", "X"), "X: permission denied"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ask for less"),
        (OSError("something"), "something"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_machine_that_has_no_more_room_finishes_what_was_measured(error, says):
    code, early = ended(1, error)
    assert code == INVALID
    assert early.startswith("Failed after 1 step: ")
    assert says in early


@pytest.mark.parametrize("second", [OSError(errno.ENOSPC, "full"), MemoryError(), KeyboardInterrupt()])
def test_where_it_cannot_be_shown_it_is_said_what_is_kept(second, capsys):
    assert ended(1, Terminated(signal.SIGTERM), finishing=[second])[0] == 143
    assert capsys.readouterr().err == "labkit: Ended by SIGTERM after 1 step.\n"


def test_whoever_reads_no_more_is_told_nothing():
    counting = Counting(1, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    with pytest.raises(BrokenPipeError):
        counting.run()
    assert counting.ends == []


def test_a_failure_finishes_what_was_measured():
    assert ended(1, ServerError("it broke")) == (INVALID, "Failed after 1 step: it broke")


def test_an_interrupt_while_it_finishes_loses_nothing():
    assert ended(1, finishing=[KeyboardInterrupt()]) == (INTERRUPTED, "Interrupted after 1 step.")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ServerError("it broke")])
def test_where_nothing_was_measured_there_is_nothing_to_finish(error):
    counting = Counting(error)
    with pytest.raises(type(error)):
        counting.run()
    assert counting.ends == []


def test_a_defect_is_not_taken_for_a_failure():
    with pytest.raises(ZeroDivisionError):
        Counting(1, ZeroDivisionError()).run()


def test_with_json_people_are_told_on_standard_error(capsys):
    class Json(Counting):
        def __init__(self):
            Session.__init__(self, json_=True)

    Json().say("[bold]news[/bold]", "more")
    assert capsys.readouterr() == ("", "[bold]news[/bold]\nmore\n")


# --- where results go ---


def folder_of(out=None):
    return session.results(out, "run-*.json", "the runs of an earlier comparison")


def test_a_new_folder_has_the_time_in_its_name_and_stays_if_it_holds_something(here, monkeypatch):
    monkeypatch.setattr(clock, "folder_stamp", lambda: "NOW")
    with folder_of() as folder:
        (folder / "run-1.json").write_text("{}")
    assert written(here / "labkit-results") == ["NOW"]


def test_a_new_folder_into_which_nothing_was_put_is_taken_away_again(here):
    with pytest.raises(ServerError), folder_of():
        raise ServerError("it broke")
    assert written(here) == []


def test_what_others_keep_beside_an_empty_new_folder_stays(here):
    (here / "labkit-results").mkdir()
    (here / "labkit-results" / "mine").write_text("")
    with folder_of():
        assert len(written(here / "labkit-results")) == 2
    assert written(here / "labkit-results") == ["mine"]


def test_many_that_begin_at_once_have_a_folder_each(monkeypatch, here):
    monkeypatch.setattr(clock, "folder_stamp", lambda: "NOW")
    begin, found = threading.Barrier(8), []

    def command():
        begin.wait()
        with folder_of() as folder:
            found.append(folder)
            (folder / "run-1.json").write_text("{}")

    threads = [threading.Thread(target=command) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*found}) == 8
    assert len(written(here / "labkit-results")) == 8


def test_a_named_folder_is_used_as_it_is(here):
    with folder_of(here / "X") as folder:
        assert folder == here / "X"
        session.write(folder / "summary.json", "{}")
    assert written(here / "X") == ["summary.json"]


def test_a_named_folder_is_made_and_taken_away_again_if_nothing_is_put_into_it(here):
    with folder_of(here / "X" / "Y"):
        assert written(here / "X") == ["Y"]
    assert written(here) == []
    (here / "mine").mkdir()
    with folder_of(here / "mine"):
        pass
    assert written(here) == ["mine"]


@pytest.mark.parametrize("name", ["file/X", "file"])
def test_a_named_folder_that_cannot_be_made_is_refused_before_anything_is_measured(here, name):
    (here / "file").write_text("")
    with pytest.raises(UsageError, match="name a"), folder_of(here / name):
        raise AssertionError
    assert written(here) == ["file"]


def test_of_many_that_name_one_folder_one_has_it_and_the_others_are_refused(here):
    begin, done, found, refused = threading.Barrier(8), threading.Barrier(8), [], []

    def command():
        begin.wait()
        try:
            with folder_of(here / "X") as folder:
                found.append(folder)
                done.wait()
        except UsageError as error:
            refused.append(str(error))
            done.wait()

    threads = [threading.Thread(target=command) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [here / "X"]
    assert len(refused) == 7
    assert all("another command writes into" in said for said in refused)


def test_what_a_command_that_is_gone_had_claimed_is_free(here):
    (here / "in-use").write_text(str(2**22 + 1))
    with folder_of(here) as folder:
        assert (folder / "in-use").read_text() == str(os.getpid())
    assert written(here) == []


def test_a_named_folder_with_results_is_refused(here):
    (here / "run-00000-inline.json").write_text("{}")
    with pytest.raises(UsageError, match="holds the runs of an earlier comparison"), folder_of(here):
        pass


def test_what_cannot_be_written_is_a_usage_error(here):
    (here / "X").write_text("a file")
    with pytest.raises(UsageError, match="name another folder with --out"):
        session.write(here / "X" / "summary.json", "{}")


def test_a_file_that_is_not_finished_does_not_appear(here, monkeypatch):
    (here / "summary.json").write_text("earlier")
    with pytest.raises(UnicodeEncodeError):
        session.write(here / "summary.json", "half \ud800")
    assert written(here) == ["summary.json"]
    assert (here / "summary.json").read_text() == "earlier"


def test_counts_are_said_as_people_say_them():
    assert [session.counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
