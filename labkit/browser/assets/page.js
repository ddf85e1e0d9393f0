// The lab's page: it connects, lets a pattern write what comes, and stamps it. By hand, and driven by the lab.
import { onINP } from './parts/web-vitals.js';
import { Measure } from './measure.js';
import { Stamps } from './stamps.js';
import { View } from './view.js';
import { naive } from './patterns/naive.js';
import { forced } from './patterns/forced.js';
import { thrash } from './patterns/thrash.js';
import { domBatch } from './patterns/dom-batch.js';
import { conflate } from './patterns/conflate.js';
import { budget } from './patterns/budget.js';
import { virtual } from './patterns/virtual.js';
import { canvas } from './patterns/canvas.js';
import { worker } from './patterns/worker.js';

const PATTERNS = { naive, forced, thrash, 'dom-batch': domBatch, conflate, budget, virtual, canvas, worker };
const find = (id) => document.getElementById(id);
const driven = new URLSearchParams(location.search).has('driven');
document.body.classList.toggle('measuring', driven);

const stage = find('stage');
const measure = new Measure(stage);
const view = new View(stage, new Stamps(0, 0));
// Relative to the page, so that it works behind a proxy that puts a prefix before everything.
const socket = io(location.origin, {
  path: new URL('socket.io/', document.baseURI).pathname,
  transports: ['websocket'],
  reconnection: !driven,
});

let settings = { pattern: 'naive', events: 0, rows: 200, first: 0, click_block_ms: 0, click_block_step_ms: 0, update_block_ms: 0 };
let apply = naive(view);
let thread = null; // of a pattern that reads the socket in a worker
let readBy; // the connection that updates are for: the worker's; the page's own where undefined
const heard = []; // who else wants to know of updates
let done = { sent: 0 };
let disconnects = 0;
let webVitalsInp = null;
let clicks = [];
let payloads = [0];
const errors = [];
onINP((metric) => { webVitalsInp = metric.value; }, { reportAllChanges: true, durationThreshold: 16 });
window.addEventListener('error', (event) => errors.push(event.message));
window.addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));
socket.on('disconnect', () => { disconnects += 1; });

function block(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

view.received = (updates) => {
  view.stamps.receive(updates, performance.now());
  for (const each of heard) each(updates);
  if (settings.update_block_ms) block(settings.update_block_ms * updates.length);
};
socket.on('update', (data) => {
  const updates = Array.isArray(data) ? data : [data];
  view.received(updates);
  apply(updates);
});
socket.on('fed', (report) => { done = report; });

// The button asks the server as the advice's page does: event `message`, answered by event `response`.
find('ask').addEventListener('click', (event) => {
  const click = { at: event.timeStamp, handled: performance.now(), trusted: event.isTrusted };
  click.id = settings.first + settings.events + clicks.length;
  block(settings.click_block_ms + settings.click_block_step_ms * clicks.length);
  clicks.push(click);
  find('asked').textContent = String(clicks.length);
  click.sent = performance.now();
  socket.emit('message', { id: click.id, payload: payloads[(clicks.length - 1) % payloads.length] });
});

socket.on('response', (data) => {
  const now = performance.now();
  for (const answer of Array.isArray(data) ? data : [data]) {
    const click = clicks.find((each) => each.id === answer.id && each.received === undefined);
    if (!click) continue;
    click.received = now;
    Object.assign(click, { work_start_ns: answer.start_ns, work_end_ns: answer.end_ns, work_cpu_ns: answer.cpu_ns });
    find('answered').textContent = String(clicks.filter((each) => each.received !== undefined).length);
    requestAnimationFrame(() => requestAnimationFrame(() => { click.painted = performance.now(); }));
  }
});

// Where the server's clock stands when ours shows 0, by the round trip that took least: half of it is the error. On a
// machine that is slow just then, up to five times as many are made until the error is below a millisecond.
async function synchronise(rounds) {
  let best = { rtt_ms: Infinity, origin_ns: 0 };
  for (let i = 0; i < rounds || (best.rtt_ms >= 2 && i < 5 * rounds); i += 1) {
    const before = performance.now();
    const serverNs = await socket.timeout(5000).emitWithAck('clock');
    const after = performance.now();
    const origin = serverNs - ((before + after) / 2) * 1e6;
    if (after - before < best.rtt_ms) best = { rtt_ms: after - before, origin_ns: origin };
  }
  return best;
}

async function connected() {
  if (!socket.connected) {
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
  }
  const hello = await socket.timeout(5000).emitWithAck('hello');
  ({ payloads } = hello);
  // Files of the reader's, each of which exports one function.
  for (const name of hello.patterns) [PATTERNS[name]] = Object.values(await import(`./own/${name}.js`));
}

async function prepare(next) {
  thread?.terminate();
  [thread, readBy] = [null, undefined];
  settings = { ...settings, ...next };
  clicks = [];
  done = { sent: 0 };
  view.stamps = new Stamps(settings.first, settings.events);
  view.reset(settings.rows);
  apply = PATTERNS[settings.pattern](view);
  if (apply instanceof Worker) {
    thread = apply;
    readBy = await new Promise((resolve) => {
      thread.addEventListener('message', ({ data }) => resolve(data), { once: true });
    });
  }
  measure.flush();
  measure.start();
}

// Ask for updates; the server answers at once and sends them from then on.
async function feed(order) {
  done = { sent: 0 };
  return socket.timeout(5000).emitWithAck('feed', order, readBy);
}

function state() {
  return {
    sent: done.sent,
    fed: Boolean(done.fed),
    received: view.stamps.count,
    unpainted: view.stamps.unpainted,
    answered: clicks.filter((click) => click.painted !== undefined).length,
    clicks: clicks.length,
    disconnects,
    errors: errors.length,
  };
}

function report() {
  measure.flush();
  const { received, written, painted, superseded, repeated, disordered } = view.stamps;
  const numbers = (array) => Array.from(array, (value) => (Number.isNaN(value) ? null : value));
  return {
    ...state(),
    updates: { received: numbers(received), written: numbers(written), painted: numbers(painted) },
    asked: clicks,
    superseded,
    repeated,
    disordered,
    dom_ops: measure.domOps,
    interactions: measure.told(),
    inp_ms: measure.inp(),
    web_vitals_inp_ms: webVitalsInp,
    long_tasks: measure.longTasks,
    long_frames: measure.longFrames,
    entry_types: PerformanceObserver.supportedEntryTypes,
    error_messages: errors,
  };
}

// The lab's handle; everything else about the page works without it.
window.lab = { connected, synchronise, prepare, feed, state, report, patterns: Object.keys(PATTERNS) };

async function byHand() {
  const { startHand } = await import('./hand.js');
  await connected();
  startHand({ socket, heard, view, measure, prepare, feed, state, synchronise, find, patterns: Object.keys(PATTERNS) });
}
if (!driven) byHand();
