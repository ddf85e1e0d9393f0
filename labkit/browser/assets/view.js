// What a pattern may touch: the list, the counter, the bar. And what it reports: which updates it has written.
export class View {
  constructor(stage, stamps) {
    this.stage = stage;
    this.list = stage.querySelector('#list');
    this.counter = stage.querySelector('#counter');
    this.bar = stage.querySelector('#bar');
    this.stamps = stamps;
    this.rows = [];
    this.received = null; // for a pattern that reads the socket itself: it says so of each update before it writes it
  }

  // The list as it is before a burst: so many rows, the first of which belong to the keys.
  reset(rows) {
    this.rows = Array.from({ length: rows }, (_, i) => this.item({ id: -1, key: i, text: 'waiting' }));
    this.list.replaceChildren(...this.rows);
    this.list.onscroll = null;
    this.list.scrollTop = 0;
    this.counter.textContent = '0';
    this.bar.style.width = '0%';
  }

  // Text only, whatever an event brings: no markup ever comes from outside.
  text(update) {
    return `${update.id} key ${update.key}: ${update.text}`;
  }

  item(update) {
    const item = document.createElement('li');
    item.textContent = this.text(update);
    return item;
  }

  total(update) {
    return String(update.id + 1);
  }

  row(key) {
    while (this.rows.length <= key) {
      this.rows.push(document.createElement('li'));
      this.list.append(this.rows[this.rows.length - 1]);
    }
    return this.rows[key];
  }

  // The pattern says so when the updates are in the document; they are stamped once they are painted.
  wrote(updates, { inFrame = false } = {}) {
    this.stamps.wrote(updates.map((update) => update.id), inFrame);
  }

  // It is never shown: a newer one of its key came before it was written, or newer ones have the rows that are seen.
  superseded(update) {
    this.stamps.superseded += 1;
  }
}
