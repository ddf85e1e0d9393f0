// At most 8 ms of updates a frame, in two halves: a click goes between them, where there is scheduler.yield.
export function budget(view) {
  const queue = [];
  return (updates) => {
    if (queue.length === 0) requestAnimationFrame(write);
    queue.push(...updates);
  };

  async function write() {
    half({ inFrame: true });
    if (queue.length === 0) return;
    await globalThis.scheduler?.yield(); // this frame is painted
    half({ inFrame: !globalThis.scheduler?.yield });
    if (queue.length) requestAnimationFrame(write); // the rest waits
  }

  function half(when) {
    const end = performance.now() + 4;
    const written = [];
    for (; queue.length && performance.now() < end; written.push(queue.shift())) {
      view.list.prepend(view.item(queue[0]));
      view.counter.textContent = view.total(queue[0]);
      view.bar.style.width = `${queue[0].value}%`;
    }
    view.wrote(written, when);
  }
}
