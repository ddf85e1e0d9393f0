"""What was recorded is fired again at real servers: order, acknowledgements and attachments are all accounted for."""

import os
import threading
from collections import Counter

import pytest

import labkit as lab
from labkit import io_wait
from labkit.browser.page.server import serve
from labkit.plan import recording
from labkit.plan.recording import Recorded
from tests.support import browsing
from tests.support.helpers import nothing_left_behind
from tests.support.strange_app import running

pytestmark = pytest.mark.measured


@pytest.fixture(scope="module")
def flask():
    with running("flask") as url:
        yield url


def recorded(path, events):
    path.write_text("\n".join([recording.head(), *(event.line() for event in events)]))
    return path


DOOR = {"auth": {"client": "{client}"}, "headers": {"X-Key": "key-{client}"}, "cookies": {"seat": "seat-{client}"}}


def test_several_events_of_several_clients_in_several_namespaces_are_all_answered(flask, client, tmp_path):
    # Nobody handles `silent` in /door, which is that of the first client.
    events = [Recorded(0, 1, "/door", "price", (1,), True)]
    events += [Recorded(0.002 * n, n % 3, "/", "silent", (n, b"\x00\xff"), n % 2 == 0) for n in range(60)]
    events += [Recorded(0.06, 1, "/", "length", ({"file": b"x"},), False)]
    found = lab.replay(recorded(tmp_path / "a.jsonl", events))
    with nothing_left_behind():
        run = lab.fire(flask, found, client=client, window_s=0.1, timeout_s=0.7, query={"room": "lobby"}, **DOOR)
    # `length` has no id here, so its handler raises, and nothing acknowledges it.
    by_name = Counter(zip((run.kinds[k] for k in run.events["kind"]), run.events["outcome"].tolist(), strict=True))
    answered = run.events["outcome"][0]
    assert by_name == {("silent", answered): 60, ("price", answered): 1, ("length", by_name_of(run, "length")): 1}
    assert by_name_of(run, "length") != answered
    assert (run.unaccounted, run.strays, run.outcomes["answered"], run.lost) == (0, 0, 61, 1)
    assert (run.events["sent"][1:] >= run.events["sent"][:-1]).all()
    assert (run.events["sent"] >= run.events["intended"]).all()
    assert type(run.plan) is lab.Schedule  # what people sent is not kept with the run
    assert {one.kind: one.events for one in lab_summary(run).kinds} == {"silent": 60, "price": 1, "length": 1}


def by_name_of(run, name):
    return int(run.events["outcome"][run.is_kind(name)][0])


def lab_summary(run):
    from labkit.runs.comparison import Comparison

    return Comparison((run,)).summaries[0]


def test_without_response_only_what_asked_is_acknowledged(flask, client, tmp_path):
    events = [Recorded(0.01 * n, 0, "/", "silent", (n,), n % 2 == 0) for n in range(10)]
    found = lab.replay(recorded(tmp_path / "a.jsonl", events))
    run = lab.fire(flask, found, client=client, window_s=0.3, response="none")
    assert run.outcomes["sent"] == 10
    assert [at > 0 for at in run.events["acked"].tolist()] == [True, False] * 5


#: Polls first, then upgrades; acknowledged, with an attachment, with secrets.
SESSION = """async () => {
    const socket = io({forceNew: true, auth: {token: 'a-token-of-mine'}, query: {token: 'another-one'}});
    await new Promise(done => socket.on('connect', done));
    socket.emit('message', {id: 1, payload: 1, password: 'hunter22'});
    await new Promise(done => socket.emit('message', {id: 2, payload: 2}, done));
    await new Promise(done => setTimeout(done, 300));
    await new Promise(done => socket.emit('message', {id: 3, payload: 3, file: new Uint8Array([0, 255])}, done));
    socket.disconnect();
}"""


def browse(url, har, content):
    """Look at the lab's page with a real browser that records."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as play, play.chromium.launch(executable_path=browsing.needed().path, args=flags) as browser:
        context = browser.new_context(record_har_path=har, record_har_content=content)
        page = context.new_page()
        page.goto(url)
        page.evaluate(SESSION)
        context.close()


@pytest.mark.parametrize("content", ["embed", "attach"])
def test_what_a_real_browser_recorded_is_replayed(client, tmp_path, content):
    browsing.needed()
    har = tmp_path / "page.har"
    with serve("inline", io_wait(1)) as server:
        # Playwright's synchronous form needs a thread without an event loop.
        looking = threading.Thread(target=browse, args=(server.url, har, content))
        looking.start()
        looking.join(60)
        found = lab.replay(har)
        run = lab.fire(server.url, found, client=client, window_s=0.1)
    own = [n for n, name in enumerate(found.names) if name == "message"]
    assert [found.payloads[n][0]["id"] for n in own] == [1, 2, 3]
    assert [found.asks[n] for n in own] == [False, True, True]
    assert found.payloads[own[2]][0]["file"] == b"\x00\xff"
    assert len({int(found.connection[n]) for n in own}) == 1  # polled and over the websocket
    assert found.intended_ns[own[2]] - found.intended_ns[own[1]] > 0.25e9
    assert (found.auths, found.late) == (1, 0)
    assert run.outcomes["answered"] == len(run) == len(found)
