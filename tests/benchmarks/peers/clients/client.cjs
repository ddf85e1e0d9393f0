// The real socket.io-client in Node, as its documentation writes it. Prints one JSON object.
'use strict';
const { io } = require('socket.io-client');

const [kind, task] = [process.argv[2], JSON.parse(process.argv[3])];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
const interval = (task.sockets / task.rate_hz) * 1000;

// One event after the other.
function cost(socket) {
  const until = performance.now() + task.seconds * 1000;
  let acks = 0;
  return new Promise((resolve, reject) => {
    const ask = () => socket.emit('message', task.payload, (answer) => {
      if (answer.payload !== task.payload.payload) return reject(new Error('not the acknowledgement of this event'));
      acks += 1;
      return performance.now() < until ? ask() : resolve(acks);
    });
    ask();
  });
}

// Wait for each acknowledgement, then for what is left of the interval.
async function loop(socket) {
  const until = performance.now() + task.seconds * 1000;
  const latencies = [];
  while (performance.now() < until) {
    const start = performance.now();
    await socket.emitWithAck('message', task.payload);
    const took = performance.now() - start;
    latencies.push(took);
    await sleep(interval - took);
  }
  return latencies;
}

// setInterval: emit at every tick, whether or not the one before was acknowledged.
function timer(socket) {
  const events = Math.round((task.seconds * 1000) / interval);
  const latencies = [];
  let sent = 0;
  return new Promise((resolve) => {
    const tick = () => {
      const start = performance.now();
      socket.emit('message', task.payload, () => {
        latencies.push(performance.now() - start);
        if (latencies.length === events) resolve(latencies);
      });
      sent += 1;
      if (sent === events) clearInterval(ticking);
    };
    const ticking = setInterval(tick, interval);
    tick();
  });
}

async function main() {
  const sockets = Array.from({ length: task.sockets }, () => io(task.url, { transports: ['websocket'], forceNew: true }));
  await Promise.all(sockets.map((socket) => new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  })));
  const one = async (socket, number) => {
    if (kind !== 'cost') await sleep((number * 1000) / task.rate_hz); // the sockets take turns
    return { cost, loop, timer }[kind](socket);
  };
  const parts = await Promise.all(sockets.map(one));
  sockets.forEach((socket) => socket.disconnect());
  const acks = parts.reduce((sum, part) => sum + (kind === 'cost' ? part : part.length), 0);
  console.log(JSON.stringify({ acks, latencies_ms: kind === 'cost' ? [] : parts.flat() }));
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
