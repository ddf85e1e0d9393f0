// As naive, but it reads the geometry after it has written: the browser must lay out there and then.
export function forced(view) {
  return (updates) => {
    for (const update of updates) {
      view.list.prepend(view.item(update));
      view.counter.textContent = view.total(update);
      view.bar.style.width = `${update.value}%`;
      view.height = view.list.scrollHeight; // the forced layout
    }
    view.wrote(updates);
  };
}
