"""Work of known cost; the wrapper that never raises; the answers that are expected."""

import functools
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import clock
from labkit.base.errors import NotPicklable, WorkloadError
from labkit.plan import targets, wire
from labkit.plan import work as workloads
from labkit.plan.work import Calculation, call, cpu, cpu_nogil, io_wait, require_picklable, similar_prices
from labkit.runs import environment

needs_gil = pytest.mark.skipif(not environment.gil(), reason="no GIL: nothing holds it here")


def answer_of(function, payload=None):
    return Calculation(function)({"id": 7, "payload": payload})


def test_on_another_machine_the_work_has_no_stamps_since_its_clock_is_another():
    assert Calculation(str, elsewhere=True)({"id": 7, "payload": 1}) == {"id": 7, "result": "1"}
    assert {"start_ns", "end_ns", "cpu_ns"} < set(Calculation(str)({"id": 7, "payload": 1}))


def says_what_to_do(error):
    """One sentence: several words, no full stop at the end, on one line."""
    text = str(error.value)
    return len(text.split()) > 5 and "\n" not in text and not text.endswith(".")


# --- names ---


@pytest.mark.parametrize(
    ("name", "kind", "ms"),
    [("cpu:100ms", "cpu", 100), ("io_wait:2ms", "io_wait", 2), ("cpu_nogil:0.5ms", "cpu_nogil", 0.5)],
)
def test_a_kind_and_its_time_are_parsed(name, kind, ms):
    work = targets.parse(name)
    assert (work.name, work.kind, work.ms, work.echoes) == (name, kind, ms, True)


@pytest.mark.parametrize("name", ["prices", "prices:numpy", "prices:600days", "prices:numpy:600days"])
def test_the_example_job_is_parsed(name):
    assert (targets.parse(name).name, targets.parse(name).kind, targets.parse(name).ms) == (name, "prices", None)


@pytest.mark.parametrize("name", ["json:dumps", "os.path:basename", "os:path.basename"])
def test_a_function_of_any_module_is_parsed(name):
    assert (targets.parse(name).name, targets.parse(name).kind) == (name, "call")


def test_a_module_of_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "jobs_of_the_reader.py").write_text("def price(x):\n    return x + 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert targets.parse("jobs_of_the_reader:price").function(1) == 2


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "nonsense",
        "cpu",
        "cpu:",
        "cpu:100",
        "cpu:100s",
        "cpu:0ms",
        "cpu:-1ms",
        "cpu:1e3ms",
        "cpu: 5ms",
        "io_wait:x",
        "io_wait:3600000ms",
        "prices:pandas",
        "no_such_module_anywhere:f",
        "json:no_such_function",
        "json:dumps.nothing",
        "json:__doc__",
        ".relative:f",
        ":f",
    ],
)
def test_a_bad_name_is_refused_with_a_sentence(name):
    with pytest.raises(WorkloadError) as error:
        targets.parse(name)
    assert says_what_to_do(error)


def test_a_module_that_fails_to_import_is_refused_with_its_reason(tmp_path, monkeypatch):
    (tmp_path / "broken_job.py").write_text("import no_such_package_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(WorkloadError, match="no_such_package_anywhere"):
        targets.parse("broken_job:f")


@pytest.mark.parametrize("ms", [0, -1, math.nan, math.inf, 3_600_000])
@pytest.mark.parametrize("make", [cpu, cpu_nogil, io_wait])
def test_a_time_that_cannot_be_worked_is_refused(make, ms):
    with pytest.raises(WorkloadError):
        make(ms)


def test_an_unknown_twin_of_the_example_job_is_refused():
    with pytest.raises(WorkloadError, match="numpy"):
        similar_prices("pandas")


# --- functions of the reader ---


def test_a_function_of_one_argument_gets_the_payload():
    assert call(lambda payload: payload * 2).function(21) == 42


def test_a_function_without_arguments_is_called_without():
    assert call(lambda: "done").function("ignored") == "done"


def test_a_default_is_replaced_by_the_payload():
    assert call(lambda payload=1: payload).function(5) == 5


@pytest.mark.parametrize("function", [lambda a, b: a, lambda a, b, c: a, lambda *, key: key])
def test_a_function_that_wants_more_is_refused(function):
    with pytest.raises(WorkloadError, match="one argument") as error:
        call(function)
    assert says_what_to_do(error)


async def coroutine(payload):
    return payload


class AsyncCall:
    async def __call__(self, payload):
        return payload


@pytest.mark.parametrize("function", [coroutine, functools.partial(coroutine), AsyncCall()])
def test_a_coroutine_function_is_refused(function):
    with pytest.raises(WorkloadError, match=r"asyncio\.run"):
        call(function)


@pytest.mark.parametrize("thing", [None, 3, "cpu:100ms", [print]])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(WorkloadError, match="function"):
        call(thing)


def test_payloads_are_given_in_turn():
    assert list(call(print, payloads=["a", "b"]).make_payloads(5, 0)) == ["a", "b", "a", "b", "a"]


def test_without_payloads_an_event_carries_its_number():
    assert list(call(print).make_payloads(3, 0)) == [0, 1, 2]


@pytest.mark.parametrize("payloads", [[object()], [{1, 2}], [(b"bytes in a tuple",)], [{"deep": [complex(1, 2)]}]])
def test_payloads_that_are_not_json_are_refused(payloads):
    with pytest.raises(WorkloadError, match="JSON"):
        call(print, payloads=payloads)


def test_no_payloads_at_all_are_refused():
    with pytest.raises(WorkloadError, match="empty"):
        call(print, payloads=[])


# --- the wrapper ---


def raising(error):
    def function(payload):
        raise error

    return function


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even its message")


def deep(payload):
    result = []
    for _ in range(100_000):
        result = [result]
    return result


def circular(payload):
    result = []
    result.append(result)
    return result


def test_an_answer_carries_the_id_the_result_and_ordered_stamps():
    before = clock.now_ns()
    answer = answer_of(lambda payload: payload + 1, 1)
    assert (answer["id"], answer["result"]) == (7, 2)
    assert before <= answer["start_ns"] <= answer["end_ns"] <= clock.now_ns()
    assert answer["cpu_ns"] >= 0


@pytest.mark.parametrize("error", [ValueError("so it goes"), KeyError("key"), RecursionError("deep"), MemoryError()])
def test_an_error_is_an_answer(error):
    answer = answer_of(raising(error))
    assert answer["id"] == 7
    assert answer["error"].startswith(f"{type(error).__name__}: ")
    assert "result" not in answer
    assert answer["start_ns"] <= answer["end_ns"]


@pytest.mark.parametrize("function", [lambda p: {1, 2}, lambda p: object(), lambda p: {(1, 2): 3}, circular])
def test_a_result_that_is_not_json_is_an_error(function):
    answer = answer_of(function)
    assert "JSON" in answer["error"]
    assert "result" not in answer


@pytest.mark.parametrize("function", [deep, raising(Unprintable())])
def test_it_never_raises(function):
    assert "error" in answer_of(function)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_process_passes_through(error):
    with pytest.raises(error):
        answer_of(raising(error()))


def test_nan_is_a_result():
    assert math.isnan(answer_of(lambda payload: math.nan)["result"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=50)
@given(json_values | st.binary() | st.sets(st.integers()) | st.tuples(st.integers()) | st.complex_numbers())
def test_every_answer_can_be_sent(value):
    assert wire.as_received(answer_of(lambda payload: value))["id"] == 7


# --- cost ---


def two_at_once(work):
    """(makespan, CPU time of both) in ms of two threads that do the same work."""
    calculate = Calculation(work.function)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(calculate, [{"id": i, "payload": i} for i in range(2)]))
    makespan_ns = max(a["end_ns"] for a in answers) - min(a["start_ns"] for a in answers)
    return makespan_ns / clock.NS_PER_MS, sum(a["cpu_ns"] for a in answers) / clock.NS_PER_MS


def turns_beside(work):
    """How often another thread gets a turn during the work, while nobody is made to give up the GIL."""
    span, turns = [], []

    def job():
        span.append(clock.now_ns())
        work.function(None)
        span.append(clock.now_ns())

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        thread = threading.Thread(target=job)
        thread.start()
        while thread.is_alive():
            clock.sleep(0.001)
            turns.append(clock.now_ns())
    finally:
        sys.setswitchinterval(interval_s)
    return sum(span[0] < turn < span[1] for turn in turns)


@needs_gil
def test_two_of_cpu_take_the_sum_of_both():
    makespan_ms, both_ms = two_at_once(cpu(60))
    assert makespan_ms > 0.9 * both_ms


def test_two_of_io_wait_take_as_long_as_one():
    assert min(two_at_once(io_wait(60))[0] for _ in range(3)) < 1.5 * 60


@needs_gil
def test_cpu_holds_the_gil_to_its_end():
    assert turns_beside(cpu(60)) == 0


@pytest.mark.parametrize("make", [cpu_nogil, io_wait])
def test_cpu_nogil_and_io_wait_leave_the_gil_to_others(make):
    assert turns_beside(make(60)) > 5


@pytest.mark.parametrize("make", [cpu, cpu_nogil])
def test_cpu_is_fixed_work_of_the_time_asked_for(make):
    work = make(20)
    taken = []
    for _ in range(3):
        before_ns = clock.thread_cpu_ns()
        work.function(None)
        taken.append((clock.thread_cpu_ns() - before_ns) / clock.NS_PER_MS)
    assert 10 < min(taken) < 40


def test_waiting_costs_no_cpu():
    answer = answer_of(io_wait(50).function)
    assert answer["cpu_ns"] < 0.2 * (answer["end_ns"] - answer["start_ns"])


@pytest.mark.parametrize("make", [cpu, cpu_nogil, io_wait])
def test_work_of_one_cost_is_the_same_work(make):
    assert make(5) == make(5)
    assert make(5).function("payload") == "payload"


def test_spin_and_its_calibration_belong_together():
    turns, ms = workloads.calibration_turns(5)
    assert min(workloads.spin(turns) for _ in range(5)) > ms / 2


# --- to another process ---


def test_a_lock_in_a_closure_cannot_be_sent():
    lock = threading.Lock()

    def job(payload):
        with lock:
            return payload

    with pytest.raises(NotPicklable, match="lock") as error:
        require_picklable(call(job))
    assert says_what_to_do(error)


def test_an_open_file_in_a_closure_cannot_be_sent(tmp_path):
    with (tmp_path / "log").open("w") as file, pytest.raises(NotPicklable, match="file"):
        require_picklable(call(lambda payload: file.write(str(payload))))


def test_a_lambda_can_be_sent():
    factor = 3
    require_picklable(call(lambda payload: factor * payload))


def test_a_function_of_a_notebook_cell_can_be_sent():
    cell = {"__name__": "__main__"}
    exec("import math\nfactor = 3\ndef job(payload):\n    return math.floor(factor * payload)", cell)
    require_picklable(call(cell["job"]))


@pytest.mark.parametrize("work", [cpu(1), cpu_nogil(1), io_wait(1), similar_prices(), similar_prices("numpy")])
def test_the_labs_own_work_can_be_sent(work):
    require_picklable(work)


def test_data_is_for_a_function_of_the_readers():
    assert list(targets.parse("math:sqrt", [4, 9]).make_payloads(3, 0)) == [4, 9, 4]
    for own in ("prices", "cpu:1ms"):
        with pytest.raises(WorkloadError, match="the lab's own work"):
            targets.parse(own, [1])


def test_a_kind_of_the_readers_is_known_by_name_and_time(monkeypatch):
    monkeypatch.setitem(workloads.KINDS, "twice", lambda ms: io_wait(2 * ms))
    assert targets.parse("twice:3ms").ms == 6
    with pytest.raises(WorkloadError, match=r"write the time in ms, as in twice:100ms"):
        targets.parse("twice:soon")
    with pytest.raises(WorkloadError, match=r"give io_wait:100ms, cpu:100ms, cpu_nogil:100ms, twice:100ms, prices"):
        targets.parse("thrice")
