// Every update changes the page as it comes. The browser still lays out once a frame.
export function naive(view) {
  return (updates) => {
    for (const update of updates) {
      view.list.prepend(view.item(update));
      view.counter.textContent = view.total(update);
      view.bar.style.width = `${update.value}%`;
    }
    view.wrote(updates);
  };
}
