// The page by hand: the controls start a burst, and twice a second the page says how it feels.
export function startHand({ socket, heard, view, measure, prepare, feed, state, synchronise, find, patterns }) {
  let originNs = null;
  let sent = new Map(); // by id, ms on the page's clock
  for (const name of patterns) find('pattern').append(new Option(name));
  const showRate = () => { find('rate-shown').textContent = find('rate').value; };
  find('rate').addEventListener('input', showRate);
  showRate();

  heard.push((updates) => {
    if (originNs === null) return;
    for (const update of updates) sent.set(update.id, (update.sent_ns - originNs) / 1e6);
  });

  find('controls').addEventListener('submit', async (event) => {
    event.preventDefault();
    const rate = Number(find('rate').value);
    const events = Math.max(1, Math.round(rate * Number(find('seconds').value)));
    find('start').disabled = true;
    try {
      ({ origin_ns: originNs } = await synchronise(10));
      sent = new Map();
      await prepare({ pattern: find('pattern').value, rows: Number(find('rows').value), events, first: 0 });
      await feed({ events, rate_hz: rate, window_ms: Number(find('window').value) });
    } catch (error) {
      find('live-connection').textContent = `no answer (${error.message})`;
    } finally {
      find('start').disabled = false;
    }
  });

  setInterval(() => {
    measure.flush();
    const stale = [...sent].map(([id, at]) => view.stamps.painted[id - view.stamps.first] - at)
      .filter((ms) => !Number.isNaN(ms)).sort((a, b) => a - b);
    const inp = measure.inp();
    find('live-inp').textContent = inp === null ? '-' : `${Math.round(inp)} ms`;
    find('live-staleness').textContent = stale.length ? `${Math.round(stale[Math.floor(stale.length * 0.95)])} ms` : '-';
    find('live-painted').textContent = `${stale.length} of ${state().received}`;
    find('live-long').textContent = String(measure.longTasks.length);
    find('live-connection').textContent = socket.connected ? 'open' : 'lost';
  }, 500);
}
