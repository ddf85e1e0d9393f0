// The worker's half of patterns/worker.js: it has the socket, and posts what has come when the page is ready for it.
importScripts('parts/socket.io.min.js');
const path = new URL('socket.io/', location).pathname;
const socket = io(location.origin, { path, transports: ['websocket'] });
let queue = [];
let free = true; // the page has taken what was posted before

function post() {
  if (!free || queue.length === 0) return;
  free = false;
  postMessage(queue);
  queue = [];
}

socket.on('connect', () => postMessage(socket.id));
socket.on('update', (data) => {
  const at = performance.timeOrigin + performance.now(); // a worker's clock begins when the worker does
  queue.push(...[data].flat().map((update) => ({ ...update, at })));
  post();
});
onmessage = () => {
  free = true;
  post();
};
