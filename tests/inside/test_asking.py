"""A process is asked to save, and answers; and nobody waits where nobody can answer."""

import os
import threading
import time

from labkit.inside import asking
from labkit.inside.asking import ANSWER_WITHIN_S, Asked, ask


def own(folder, number=1):
    made = folder / f"server-{number}"
    made.mkdir()
    return made


def test_who_is_asked_answers(tmp_path):
    folder = own(tmp_path)
    asked, told = Asked(folder, time.sleep), []

    def saves():
        told.append(asked.wait(10))
        (folder / "the first file.json").touch()  # which is not all
        time.sleep(0.05)
        told.append("saved")
        asked.answer()

    thread = threading.Thread(target=saves)
    thread.start()
    ask(tmp_path)
    seen = list(told)
    thread.join()
    os.close(asked._pipe)
    assert seen == [True, "saved"]


def test_who_is_not_asked_goes_on_after_a_while(tmp_path):
    asked = Asked(own(tmp_path), time.sleep)
    assert not asked.wait(0.01)
    os.close(asked._pipe)


def test_nobody_waits_for_a_process_that_has_ended(tmp_path):
    os.close(Asked(own(tmp_path), time.sleep)._pipe)
    began = time.monotonic()
    ask(tmp_path)
    ask(tmp_path / "nothing")
    assert time.monotonic() - began < ANSWER_WITHIN_S


def test_nor_for_long_where_no_answer_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "ANSWER_WITHIN_S", 0.01)
    asked = Asked(own(tmp_path), time.sleep)
    ask(tmp_path)
    os.close(asked._pipe)


def test_without_named_pipes_it_sleeps(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "mkfifo")
    slept = []
    asked = Asked(own(tmp_path), slept.append)
    assert not asked.wait(3.0)
    assert slept == [3.0]


def test_what_the_app_opens_in_place_of_the_pipe_is_not_read(tmp_path):
    folder = own(tmp_path)
    asked = Asked(folder, time.sleep)
    reading, writing = os.pipe()
    os.write(writing, b"the app's own")
    os.dup2(reading, asked._pipe)
    assert not asked.wait(0.01)
    assert os.read(reading, 100) == b"the app's own"
    for descriptor in (reading, writing, asked._pipe):
        os.close(descriptor)


def test_a_pipe_that_the_app_has_closed_is_not_asked_of(tmp_path):
    asked = Asked(own(tmp_path), time.sleep)
    os.close(asked._pipe)
    assert not asked.wait(0.01)
