// The socket is read in a worker, socket-worker.js: parsing and waiting are off the page, which gets a message a frame.
export function worker(view) {
  const thread = new Worker('socket-worker.js');
  thread.onmessage = ({ data: updates }) => {
    if (!Array.isArray(updates)) return; // its connection's id
    view.received(updates);
    const last = updates.at(-1);
    const fragment = document.createDocumentFragment();
    for (const update of updates) fragment.prepend(view.item(update));
    view.list.prepend(fragment);
    view.counter.textContent = view.total(last);
    view.bar.style.width = `${last.value}%`;
    view.wrote(updates);
    requestAnimationFrame(() => thread.postMessage('more'));
  };
  return thread;
}
