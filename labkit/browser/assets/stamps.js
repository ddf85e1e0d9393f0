// When an update was received, written and painted: ms since the page's time origin, NaN where it did not happen.
//
// A paint has no event of its own. The first requestAnimationFrame after a write runs before the frame that paints it,
// the second one after it: its time is the stamp. What is written inside of a frame's callback needs only one more.
export class Stamps {
  constructor(first, events) {
    this.first = first;
    this.received = new Float64Array(events).fill(NaN);
    this.written = new Float64Array(events).fill(NaN);
    this.painted = new Float64Array(events).fill(NaN);
    this.count = 0;
    this.shown = 0;
    this.superseded = 0;
    this.repeated = 0;
    this.disordered = 0;
    this.newest = -1;
    this.nextFrame = null;
  }

  // What was received, and is neither painted nor superseded: it waits in the pattern, or for its frame.
  get unpainted() {
    return this.count - this.superseded - this.shown;
  }

  // A worker tells when it received an update (`at`), in ms since 1970; it has a time origin of its own.
  receive(updates, now) {
    for (const { id, at } of updates) {
      if (!Number.isNaN(this.received[id - this.first])) this.repeated += 1;
      if (id < this.newest) this.disordered += 1;
      this.newest = Math.max(this.newest, id);
      this.received[id - this.first] = at === undefined ? now : at - performance.timeOrigin;
      this.count += 1;
    }
  }

  wrote(ids, inFrame) {
    const now = performance.now();
    for (const id of ids) this.written[id - this.first] = now;
    if (inFrame) {
      requestAnimationFrame(() => this.paint(ids));
    } else if (this.nextFrame) {
      for (const id of ids) this.nextFrame.push(id);
    } else {
      this.nextFrame = [...ids];
      requestAnimationFrame(() => {
        const group = this.nextFrame;
        this.nextFrame = null;
        requestAnimationFrame(() => this.paint(group));
      });
    }
  }

  paint(ids) {
    const now = performance.now();
    for (const id of ids) this.painted[id - this.first] = now;
    this.shown += ids.length;
  }
}
