// Updates queue up; once a frame they go into the page together, the list's as one fragment.
export function domBatch(view) {
  let queue = [];
  return (updates) => {
    if (queue.length === 0) requestAnimationFrame(write);
    queue.push(...updates);
  };

  function write() {
    const updates = queue;
    queue = [];
    const last = updates[updates.length - 1];
    const fragment = document.createDocumentFragment();
    for (const update of updates) fragment.prepend(view.item(update));
    view.list.prepend(fragment);
    view.counter.textContent = view.total(last);
    view.bar.style.width = `${last.value}%`;
    view.wrote(updates, { inFrame: true });
  }
}
