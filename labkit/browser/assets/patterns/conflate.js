// Once a frame, and of each key only the newest value: what nobody could have seen is never written.
export function conflate(view) {
  const newest = new Map();
  let total = null;
  return (updates) => {
    if (newest.size === 0) requestAnimationFrame(write);
    for (const update of updates) {
      if (newest.has(update.key)) view.superseded(newest.get(update.key));
      newest.set(update.key, update);
      total = update;
    }
  };

  function write() {
    const updates = [...newest.values()];
    newest.clear();
    for (const update of updates) view.row(update.key).textContent = view.text(update);
    view.counter.textContent = view.total(total);
    view.bar.style.width = `${total.value}%`;
    view.wrote(updates, { inFrame: true });
  }
}
