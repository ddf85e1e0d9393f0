// Only the rows that can be seen are in the page, written once a frame; padding stands for all the others.
export function virtual(view) {
  const { list } = view;
  const lines = Array.from(list.children, (row) => row.textContent).reverse(); // the newest is the last
  list.replaceChildren(view.item({ id: 0, key: 0, text: 'a row to measure' }));
  const [height, room] = [list.firstChild.getBoundingClientRect().height, list.clientHeight];
  const rows = Array.from({ length: Math.ceil(room / height) + 1 }, () => document.createElement('li'));
  const sheet = document.createElement('div');
  sheet.append(...rows);
  list.replaceChildren(sheet);
  let [queue, top] = [[], 0];
  list.onscroll = () => { top = list.scrollTop; write([]); };
  return (updates) => {
    if (queue.length === 0) requestAnimationFrame(() => write(queue.splice(0)));
    queue.push(...updates);
  };

  function write(updates) {
    const [first, end] = [Math.floor(top / height), Math.ceil((top + room) / height)];
    lines.push(...updates.map((update) => view.text(update)));
    for (let place = first; place < end; place += 1) rows[place - first].textContent = lines.at(-1 - place) ?? '';
    sheet.style.padding = `${first * height}px 0 ${Math.max(0, lines.length - first - rows.length) * height}px`;
    if (updates.length === 0) return;
    view.counter.textContent = view.total(updates.at(-1));
    view.bar.style.width = `${updates.at(-1).value}%`;
    const seen = updates.filter((_, i) => updates.length - 1 - i >= first && updates.length - 1 - i < end);
    for (const update of updates) if (!seen.includes(update)) view.superseded(update); // out of sight at once
    view.wrote(seen, { inFrame: true });
  }
}
