"""The command `labkit fire`: what it shows and keeps, its exit codes, and its sentences."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from labkit.runs.run import Run
from tests.support.helpers import taking_interrupts, wait_until
from tests.support.recorded_traffic import har, sent, socket
from tests.support.strange_app import running
from tests.ui.commands.running import assert_is_refused, labkit, written

URL = "http://127.0.0.1:1"

GIVEN = ("--event", "price", "--data", '{"id": "{counter}"}', "--burst", 5, "--timeout", "2s")


@pytest.fixture(scope="module")
def flask():
    with running("flask") as url:
        yield url


@pytest.mark.measured
def test_it_shows_the_table_and_the_books_and_keeps_the_run(flask, tmp_path):
    result = labkit("fire", flask, *GIVEN, "--network", "5ms,0ms,0%", "--out", tmp_path / "kept")
    assert result.exit_code in (0, 1), result.stderr  # 1 where the machine was too busy for the client
    shown = " ".join(result.stdout.split())
    assert shown.count("etween clients and server: 5 ms one way") == 2  # before, and of the table
    assert "5 events at once from 5 clients; each 'price', answered by its acknowledgement" in shown
    assert "Books: 5 events: 5 answered; 0 unaccounted." in shown
    assert "Connections: 6 came all at once" in shown
    assert "Not known from outside: handler-blocking time" in shown
    assert written(tmp_path / "kept")[0] == "over-time.png"
    (run,) = (tmp_path / "kept").glob("run-*.json")
    assert Run.load(run).outcomes["answered"] == 5


@pytest.mark.measured
def test_one_json_object_on_standard_output_and_lost_events_are_exit_code_1(flask, tmp_path):
    result = labkit("fire", flask, "--event", "nobody", "--burst", 2, "--timeout", "200ms", "--json", "--out", tmp_path)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told == json.loads((tmp_path / "summary.json").read_text())
    assert (told["url"], told["bystander"], told["mode"], told["service_ms"]) == (flask, "heartbeat", "not known", None)
    assert told["strategies"][0]["lost"] == 2
    assert told["strategies"][0]["handler_blocking"]["p50_ms"] is None
    assert any("no event was acknowledged" in note for note in told["notes"])
    assert told["connections"]["count"] == 3


@pytest.mark.measured
def test_payloads_of_a_file_and_a_scenario_of_a_file(flask, tmp_path):
    (tmp_path / "say.jsonl").write_text('{"id": "{counter}", "room": "lobby"}\n{"id": "{counter}", "room": "lobby"}\n')
    (tmp_path / "join.toml").write_text('[[step]]\nemit = "join"\ndata = {room = "lobby"}\nwait = "joined"\n')
    said = ("--event", "say", "--data", f"@{tmp_path}/say.jsonl", "--response", "said", "--match", "id", "--fan-out")
    listening = ("--listeners", 4, "--ramp", "100ms", "--scenario", tmp_path / "join.toml")
    result = labkit("fire", flask, *said, *listening, "--burst", 3, "--json", "--out", tmp_path / "kept")
    (one,) = json.loads(result.stdout)["strategies"]
    assert (one["outcomes"]["answered"], one["fan_out"]["members"], one["fan_out"]["missed"]) == (3, 9, 0)


@pytest.mark.measured
def test_an_interrupt_keeps_what_was_sent_and_says_so(flask, tmp_path):
    began = tmp_path / "began"
    touching = ("--event", "touch", "--data", json.dumps(str(began)), "--warm-up", "0")
    with taking_interrupts():
        process = subprocess.Popen(
            [sys.executable, "-m", "labkit", "fire", flask, *touching, "--seconds", "60", "--out", tmp_path / "kept"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert process.stdout.readline().startswith("20/s for 60 s")
        assert wait_until(began.exists, 20)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted after " in output
    assert "which are kept." in output
    assert "cut short" in output
    (run,) = (tmp_path / "kept").glob("run-*.json")
    assert 0 < Run.load(run).outcomes["answered"] < 1200
    assert wait_until(lambda: not (tmp_path / "kept" / "in-use").exists())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--data", "{nope"), "--data is neither JSON"),
        (("--data", "@nowhere.jsonl"), "nowhere.jsonl cannot be read"),
        (("--data", "os:nothing"), "'os' has no 'nothing'"),
        (("--auth", "x"), "--auth is no JSON"),
        (("--bystander", "e", "--bystander-data", "x"), "--bystander-data is no JSON"),
        (("--header", "X-Key"), "--header is NAME:VALUE"),
        (("--cookie", "=x"), "--cookie is NAME=VALUE"),
        (("--scenario", "nowhere.toml"), "nowhere.toml cannot be read"),
        (("--seconds", "5x"), "is no time: write 5, 5s or 200ms"),
        (("--seconds", "5", "--events", "5"), "both say how long"),
        (("--every", "1"), "give --burst"),
        (("--burst", "5", "--rate", "5"), "leave out --rate"),
        (("--burst", "5", "--events", "12"), "not a whole number of bursts"),
        (("--burst", "5", "--every", "1"), "give --events for several"),
        (("--burst", "5", "--clients", "7"), "7 clients cannot send 5 events"),
        (("--burst", "0"), "events is 0"),
        (("--match", "id"), "give response=EVENT beside it"),
        (("--transport", "smoke"), "websocket or polling"),
        (("--network", "fast"), "write delay, jitter and loss, as in 40ms,10ms,2%"),
        (("--network", "1ms,2ms"), "nothing arrives before it was sent"),
    ],
)
def test_what_makes_no_sense_is_a_sentence_before_anything_is_connected(options, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = labkit("fire", "http://127.0.0.1:9", *options)
    assert_is_refused(result)
    assert told in result.stderr
    assert written(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is no URL of a Socket.IO server"),
        ("ftp://127.0.0.1", "is no URL of a Socket.IO server"),
        ("http://127.0.0.1:5000/desk", "give the server's address alone"),
        ("http://me:secret@127.0.0.1:5000", "ends up in records"),
        ("http://127.0.0.1:port", "is no URL"),
        ("http://0.0.0.0:5000", "means every address of a machine, and none to connect to: write 127.0.0.1"),
        ("http://192.0.2.1:5000", "is not this machine (127.0.0.1, localhost), and load on somebody else's server is"),
    ],
)
def test_a_url_that_is_none_or_not_of_this_machine_is_a_sentence(url, told):
    result = labkit("fire", url)
    assert_is_refused(result)
    assert told in result.stderr


def test_another_machine_takes_little_also_of_its_owner():
    result = labkit("fire", "http://192.0.2.1", "--i-own-this-server", "--rate", "101")
    assert_is_refused(result)
    assert "at most 100 events in any second" in result.stderr


@pytest.mark.measured
def test_nobody_there_is_a_sentence_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = labkit("fire", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "labkit: nothing listens at http://127.0.0.1:9: start the server, or check host and port" in result.stderr
    assert written(tmp_path) == []


def is_refused(result, said):
    assert_is_refused(result)
    assert said in result.stderr


def recorded(path):
    sent_ = [sent(0.01 * n, f'42{n % 2}["{"price" if n % 2 else "silent"}",{{"n":{n}}}]') for n in range(6)]
    return har(path, socket(sent(0, "40"), *sent_, sent(0.1, '42["cut')))


@pytest.mark.measured
def test_a_replay_says_what_is_in_it_and_shows_each_event_by_name(flask, tmp_path):
    file = recorded(tmp_path / "a.har")
    result = labkit("fire", flask, "--replay", file, "--copies", 2, "--speed", 2, "--out", tmp_path / "kept")
    assert result.exit_code in (0, 1), result.stderr
    shown = " ".join(result.stdout.split())
    assert "Replay of a.har: 12 events, last at 0.025 s from 2 clients; 'silent' 6, 'price' 6;" in shown
    assert "2 times as fast as recorded; each client 2 times" in shown
    assert "not replayed: 1 packets that are cut or no Socket.IO." in shown
    assert re.search(r"127\.0\.0\.1:\d+ price 6 - ", shown)
    assert "Books: 12 events: 12 answered; 0 unaccounted." in shown
    told = json.loads((tmp_path / "kept" / "summary.json").read_text())
    assert [(kind["kind"], kind["events"], kind["service_ms"]) for kind in told["strategies"][0]["kinds"]] == [
        ("silent", 6, None),
        ("price", 6, None),
    ]


def test_what_a_recording_says_is_not_said_twice(tmp_path):
    file = recorded(tmp_path / "a.har")
    for option in (("--rate", 5), ("--burst", 5), ("--data", "1"), ("--clients", 2), ("--poisson",)):
        is_refused(labkit("fire", URL, "--replay", file, *option), f"leave out {option[0]}")
    is_refused(labkit("fire", URL, "--replay", file, "--event", "x"), "leave out event")
    is_refused(labkit("fire", URL, "--speed", 2), "give --replay FILE")
    is_refused(labkit("fire", URL, "--replay", file, "--speed", 0), "a number above 0")
    is_refused(labkit("fire", URL, "--replay", tmp_path / "none.har"), "cannot be read")
