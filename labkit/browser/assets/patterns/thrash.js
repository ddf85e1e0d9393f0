// Write, read, write, read: five forced layouts an update. (Read everything first, and there would be none.)
export function thrash(view) {
  return (updates) => {
    for (const update of updates) {
      const item = view.item(update);
      view.list.prepend(item);
      const height = item.offsetHeight;
      view.counter.textContent = view.total(update);
      const left = view.counter.offsetWidth;
      view.bar.style.width = `${update.value}%`;
      const share = view.bar.offsetWidth / 100;
      item.style.paddingLeft = `${1 + (left + update.id) % 2}px`;
      const width = item.clientWidth;
      item.style.minHeight = `${height + (update.id % 2)}px`;
      view.height = item.offsetTop + width + share;
    }
    view.wrote(updates);
  };
}
