"use strict";
// The timeline: lanes of events by name, lanes of those who held others up, and an event's stages below. It draws from
// columns that stand in the page, and sets text only: no name can become markup.
(() => {
  const ROW = 9, GAP = 2, LANE_GAP = 9, LABEL = 15, AXIS = 22, MOST_ROWS = 6, MOST_LANES = 14;
  const print = window.matchMedia("print"), dark = window.matchMedia("(prefers-color-scheme: dark)");

  async function unpacked(table) {
    if (!table.rows) return { rows: 0 };
    const bytes = Uint8Array.from(atob(table.bytes), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const all = new Uint8Array(await new Response(stream).arrayBuffer());
    const found = { rows: table.rows };
    let at = 0;
    for (const [name, width] of table.columns) {
      const values = (found[name] = new Float64Array(table.rows));
      for (let byte = 0, factor = 1; byte < width; byte++, factor *= 256)
        for (let row = 0; row < table.rows; row++, at++) values[row] += all[at] * factor;
    }
    return found;
  }

  function summed(column) {
    for (let row = 1; row < column.length; row++) column[row] += column[row - 1];
    return column;
  }

  const text = (tag, words, className) => {
    const made = document.createElement(tag);
    made.textContent = words;
    if (className) made.className = className;
    return made;
  };

  function time(us) {
    if (us < 1000) return `${Math.round(us)} us`;
    if (us < 10000) return `${(us / 1000).toFixed(1)} ms`;
    if (us < 1e6) return `${Math.round(us / 1000)} ms`;
    return `${(us / 1e6).toFixed(us < 1e7 ? 2 : 1)} s`;
  }

  class Timeline {
    constructor(box, data, events, slices) {
      Object.assign(this, { box, data, events, slices, from: 0, to: data.until, at: -1, hover: -1, next: 0 });
      this.canvas = box.querySelector("canvas");
      this.detail = box.querySelector("[data-role=detail]");
      this.span = box.querySelector("[data-role=span]");
      this.place();
      this.lanes = this.layOut();
      this.listen();
      this.draw();
      this.show(-1);
    }

    // Instants of every event in us, from the first one; where it has not ended, it lasts until the record was taken.
    place() {
      const e = this.events, n = e.rows;
      e.came = summed(e.came);
      e.begin = new Float64Array(n);
      e.stop = new Float64Array(n);
      let reached = 0;
      e.reached = new Float64Array(n);
      for (let row = 0; row < n; row++) {
        e.begin[row] = e.start[row] ? e.came[row] + e.start[row] - 1 : this.data.until;
        e.stop[row] = e.end[row] ? e.came[row] + e.end[row] - 1 : this.data.until;
        e.reached[row] = reached = Math.max(reached, e.stop[row]);
      }
      if (this.slices.rows) summed(this.slices.begin);
    }

    layOut() {
      const e = this.events, took = new Map();
      for (let row = 0; row < e.rows; row++)
        took.set(e.name[row], (took.get(e.name[row]) || 0) + e.stop[row] - e.came[row]);
      const names = [...took.keys()].sort((a, b) => took.get(b) - took.get(a));
      const own = names.slice(0, names.length > MOST_LANES ? MOST_LANES - 1 : MOST_LANES);
      const lanes = own.map((name) => ({ label: this.data.names[name], rows: [] }));
      if (own.length < names.length) lanes.push({ label: `${names.length - own.length} other names`, rows: [] });
      const laneOf = new Map(names.map((name, place) => [name, Math.min(place, lanes.length - 1)]));
      for (let row = 0; row < e.rows; row++) lanes[laneOf.get(e.name[row])].rows.push(row);
      e.lane = new Int32Array(e.rows);
      e.track = new Int32Array(e.rows);
      lanes.forEach((lane, number) => {
        const ends = [];
        lane.reached = new Float64Array(lane.rows.length);
        let reached = 0;
        lane.rows.forEach((row, place) => {
          let track = ends.findIndex((end) => end <= e.came[row]);
          if (track < 0) track = ends.length < MOST_ROWS ? ends.length : MOST_ROWS - 1;
          ends[track] = Math.max(ends[track] || 0, e.stop[row]);
          e.lane[row] = number;
          e.track[row] = track;
          lane.reached[place] = reached = Math.max(reached, e.stop[row]);
        });
        lane.tracks = ends.length;
      });
      this.causes = [...new Set(this.slices.rows ? this.slices.cause : [])].sort();
      let y = AXIS;
      for (const lane of lanes) {
        lane.y = y + LABEL;
        y = lane.y + lane.tracks * (ROW + GAP) + LANE_GAP;
      }
      this.causesY = y;
      this.height = y + this.causes.length * (LABEL + ROW + GAP + 2) + 6;
      return lanes;
    }

    colours() {
      const of = getComputedStyle(document.documentElement);
      return Object.fromEntries(
        ["page", "text", "quiet", "line", "wait", "work", "bad", "mark", "hot", "other", "accent"]
          .map((name) => [name, of.getPropertyValue(`--${name}`).trim()]));
    }

    // The first place in a lane of an event that had not ended before.
    static first(reached, since) {
      let low = 0, high = reached.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (reached[middle] < since) low = middle + 1; else high = middle;
      }
      return low;
    }

    draw() {
      const width = this.canvas.clientWidth || 600, scale = Math.min(3, window.devicePixelRatio || 1);
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(this.height * scale);
      this.canvas.style.height = `${this.height}px`;
      const c = this.canvas.getContext("2d"), colour = this.colours();
      this.k = width / (this.to - this.from);
      this.width = width;
      c.setTransform(scale, 0, 0, scale, 0, 0);
      c.fillStyle = colour.page;
      c.fillRect(0, 0, width, this.height);
      this.axis(c, colour);
      for (const lane of this.lanes) this.lane(c, colour, lane);
      this.causes.forEach((cause, place) => this.cause(c, colour, cause, place));
      this.pointed(c, colour);
      this.span.textContent = `From ${time(this.from + this.data.started * 1000)} to ${time(this.to + this.data.started * 1000)} ` +
        `after the start; ${time(this.to - this.from)} of ${time(this.data.until)}.`;
    }

    x(us) { return (us - this.from) * this.k; }

    axis(c, colour) {
      const rough = ((this.to - this.from) / this.width) * 110;
      const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
      const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) || power;
      c.font = "11px system-ui, sans-serif";
      c.textBaseline = "middle";
      const shift = this.data.started * 1000;
      for (let at = Math.ceil((this.from + shift) / step) * step; at <= this.to + shift; at += step) {
        const x = Math.round(this.x(at - shift)) + 0.5;
        c.strokeStyle = colour.line;
        c.globalAlpha = 0.6;
        c.beginPath(); c.moveTo(x, AXIS - 6); c.lineTo(x, this.height); c.stroke();
        c.globalAlpha = 1;
        c.fillStyle = colour.quiet;
        const words = step >= 1e6 ? `${Math.round(at / 1e6)} s` : step >= 1e5 ? `${(at / 1e6).toFixed(1)} s` : step >= 1000
          ? `${(at / 1e6).toFixed(3)} s` : `${(at / 1e6).toFixed(6)} s`;
        const room = c.measureText(words).width;
        if (x + room < this.width) c.fillText(words, x + 2, 9);
      }
    }

    label(c, colour, words, y) {
      c.font = "12px system-ui, sans-serif";
      c.textBaseline = "middle";
      let shown = words;
      while (shown.length > 4 && c.measureText(shown).width > this.width - 12) shown = `${shown.slice(0, -4)}…`;
      c.fillStyle = colour.page;
      c.fillRect(2, y - 1 - LABEL + 3, c.measureText(shown).width + 6, LABEL - 2);
      c.fillStyle = colour.text;
      c.fillText(shown, 5, y - LABEL / 2 + 1);
    }

    // What falls onto a pixel that is painted already is not painted again: a lane costs no more than its pixels.
    lane(c, colour, lane) {
      const e = this.events, low = Timeline.first(lane.reached, this.from), crosses = [];
      const waited = new Float64Array(MOST_ROWS).fill(-1), worked = new Float64Array(MOST_ROWS).fill(-1);
      const bars = [];
      for (let place = low; place < lane.rows.length; place++) {
        const row = lane.rows[place];
        if (e.came[row] > this.to) break;
        if (e.stop[row] < this.from) continue;
        const track = e.track[row], a = Math.max(-2, this.x(e.came[row]));
        const b = Math.min(this.width + 2, this.x(e.begin[row])), d = Math.min(this.width + 2, this.x(e.stop[row]));
        if (b - a >= 0.5 && b > waited[track]) { bars.push(track, a, b, 0); waited[track] = b; }
        const from = Math.max(-2, b), to = Math.max(d, from + 1);
        if (e.start[row] && to > worked[track]) { bars.push(track, from, to, 1); worked[track] = Math.ceil(to); }
        if (e.error[row] && (!crosses.length || from - crosses[crosses.length - 2] > 5)) crosses.push(to, track);
      }
      for (const kind of [0, 1]) {
        c.fillStyle = kind ? colour.work : colour.wait;
        for (let at = 0; at < bars.length; at += 4)
          if (bars[at + 3] === kind) {
            // What waited is half as high: it reads without colour, too.
            const y = lane.y + bars[at] * (ROW + GAP) + (kind ? 0 : ROW / 4);
            c.fillRect(bars[at + 1], y, bars[at + 2] - bars[at + 1], kind ? ROW : ROW / 2);
          }
      }
      c.strokeStyle = colour.bad;
      c.lineWidth = 1.6;
      c.beginPath();
      for (let at = 0; at < crosses.length; at += 2) {
        const x = crosses[at], y = lane.y + crosses[at + 1] * (ROW + GAP) + ROW / 2;
        c.moveTo(x - 3, y - 3); c.lineTo(x + 3, y + 3); c.moveTo(x - 3, y + 3); c.lineTo(x + 3, y - 3);
      }
      c.stroke();
      c.lineWidth = 1;
      this.label(c, colour, lane.label, lane.y);
    }

    cause(c, colour, cause, place) {
      const s = this.slices, y = this.causesY + place * (LABEL + ROW + GAP + 2) + LABEL;
      c.fillStyle = colour.hot;
      let last = -1;
      for (let row = 0; row < s.rows; row++) {
        if (s.cause[row] !== cause || s.begin[row] > this.to || s.begin[row] + s.took[row] < this.from) continue;
        const a = Math.max(-2, this.x(s.begin[row])), b = Math.max(a + 1, this.x(s.begin[row] + s.took[row]));
        if (b <= last) continue;
        c.fillRect(a, y, Math.min(this.width + 2, b) - a, ROW);
        last = Math.ceil(b);
      }
      this.label(c, colour, `somebody ${this.data.causes[cause]}`.replace("somebody garbage", "garbage")
        .replace("somebody no free", "no free").replace("somebody does not", "a client does not"), y);
    }

    pointed(c, colour) {
      for (const row of new Set([this.hover, this.at])) {
        if (row < 0) continue;
        const e = this.events, lane = this.lanes[e.lane[row]], y = lane.y + e.track[row] * (ROW + GAP);
        const a = this.x(e.came[row]), b = Math.max(a + 3, this.x(e.stop[row]));
        if (row === this.at) {
          c.fillStyle = colour.accent;
          c.globalAlpha = 0.13;
          c.fillRect(a, AXIS - 6, b - a, this.height);
          c.globalAlpha = 1;
        }
        c.strokeStyle = colour.mark;
        c.lineWidth = row === this.at ? 2 : 1;
        c.strokeRect(a - 1.5, y - 1.5, b - a + 3, ROW + 3);
        c.lineWidth = 1;
      }
    }

    // Which event is there, within a few pixels; -1 for none.
    under(x, y) {
      const e = this.events, near = 4 / this.k, us = this.from + x / this.k;
      const lane = this.lanes.find((each) => y >= each.y - LABEL && y < each.y + each.tracks * (ROW + GAP) + LANE_GAP / 2);
      if (!lane) return -1;
      const track = Math.max(0, Math.min(lane.tracks - 1, Math.floor((y - lane.y) / (ROW + GAP))));
      let best = -1, least = near;
      for (let place = Timeline.first(lane.reached, us - near); place < lane.rows.length; place++) {
        const row = lane.rows[place];
        if (e.came[row] > us + near) break;
        if (e.track[row] !== track) continue;
        const away = Math.max(0, e.came[row] - us, us - e.stop[row]);
        if (away < least || (away === least && best >= 0 && e.came[row] > e.came[best])) { best = row; least = away; }
      }
      return best;
    }

    show(row) {
      const e = this.events, box = this.detail;
      box.replaceChildren();
      if (row < 0) {
        box.append(text("p", `${e.rows} events. None is selected.`, "quiet"));
        return;
      }
      const left = document.createElement("div"), right = document.createElement("div");
      const began = (e.came[row] + this.data.started * 1000) / 1e6;
      left.append(text("h4", `${this.data.names[e.name[row]]}, event ${e.number[row]}`));
      const about = [`${e.isRead[row] ? "read" : "dispatched"} at ${began.toFixed(6)} s`];
      if (e.connection[row]) about.push(`connection ${e.connection[row] - 1}`);
      about.push(e.websocket[row] ? "websocket" : "polling");
      if (e.bytes[row]) about.push(`${e.bytes[row] - 1} bytes`);
      if (e.cpu[row]) about.push(`handler computed ${time(e.cpu[row] - 1)}`);
      if (e.emits[row]) about.push(`${e.emits[row]} emits`);
      if (e.error[row]) about.push(`raised ${this.data.errors[e.error[row] - 1]}`);
      if (e.unhandled[row]) about.push("nobody handles it");
      left.append(text("p", `${about.join("; ")}.`, "quiet"), this.stages(row));
      right.append(text("h4", e.begin[row] - e.came[row] >= 1000 ? "Meanwhile, while it waited" : "Meanwhile"),
        this.meanwhile(row));
      box.append(left, right);
    }

    stages(row) {
      const e = this.events, found = [];
      if (e.isRead[row]) found.push(["read", 0]);
      for (const [column, words] of [["dispatched", "dispatched"], ["start", "handler starts"], ["emitted", "first emit"],
        ["end", "handler ends"], ["free", "receive loop free"], ["answered", "acknowledgement handed over"],
        ["emitWritten", "last emit written"], ["answerWritten", "acknowledgement written"]])
        if (e[column][row]) found.push([words, e[column][row] - 1]);
      found.sort((a, b) => a[1] - b[1]);
      const table = document.createElement("table"), head = document.createElement("tr");
      for (const [words, name] of [["stage", ""], ["since it came", "n"], ["step", "n"]]) {
        const cell = text("th", words, name);
        cell.scope = "col";
        head.append(cell);
      }
      table.append(head);
      found.forEach(([words, us], place) => {
        const line = document.createElement("tr");
        line.append(text("td", words), text("td", time(us), "n"),
          text("td", place ? `+${time(us - found[place - 1][1])}` : "", "n"));
        table.append(line);
      });
      if (!e.end[row] && e.start[row]) {
        const line = document.createElement("tr");
        line.append(text("td", "handler still runs"), text("td", "", "n"), text("td", "", "n"));
        table.append(line);
      }
      return table;
    }

    // Handlers that ran, and who held others up, while it waited; or while it ran, where it did not wait.
    meanwhile(row) {
      const e = this.events, since = e.came[row], until = e.begin[row] - since >= 1000 ? e.begin[row] : e.stop[row];
      const sums = new Map(), add = (words, us) => us > 0 && sums.set(words, (sums.get(words) || 0) + us);
      for (let other = Timeline.first(e.reached, since); other < e.rows && e.came[other] < until; other++)
        if (other !== row && e.start[other])
          add(`handler of ${this.data.names[e.name[other]]} ran`, Math.min(until, e.stop[other]) - Math.max(since, e.begin[other]));
      const s = this.slices;
      for (let at = 0; at < s.rows && s.begin[at] < until; at++) {
        const overlap = Math.min(until, s.begin[at] + s.took[at]) - Math.max(since, s.begin[at]);
        if (overlap <= 0 || s.event[at] === e.number[row] + 1) continue;
        const [kind, name, where] = this.data.places[s.place[at]];
        const who = kind === "library" && name === "the machine" ? "" : `${name} `; // which had no core for anybody
        add(`${who}${this.data.causes[s.cause[at]]}${where ? `: ${where}` : ""}`, (s.held[at] * overlap) / Math.max(1, s.took[at]));
      }
      const most = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 8);
      if (!most.length) return text("p", "No other handler ran.", "quiet");
      const table = document.createElement("table");
      for (const [words, us] of most) {
        const line = document.createElement("tr");
        line.append(text("td", time(us), "n"), text("td", words));
        table.append(line);
      }
      return table;
    }

    select(row, follow) {
      this.at = row;
      if (follow && row >= 0) {
        const e = this.events, wide = this.to - this.from;
        if (e.came[row] < this.from || e.came[row] > this.to) this.view(e.came[row] - wide / 2, e.came[row] + wide / 2);
      }
      this.draw();
      this.show(row);
    }

    view(from, to) {
      const wide = Math.min(this.data.until, Math.max(50, to - from));
      this.from = Math.min(Math.max(0, (from + to - wide) / 2), this.data.until - wide);
      this.to = this.from + wide;
    }

    zoom(factor, x = null) {
      const e = this.events, middle = x !== null ? this.from + x / this.k
        : this.at >= 0 && e.came[this.at] >= this.from && e.came[this.at] <= this.to ? e.came[this.at] : (this.from + this.to) / 2;
      const share = (middle - this.from) / (this.to - this.from), wide = (this.to - this.from) * factor;
      this.view(middle - wide * share, middle + wide * (1 - share));
      this.draw();
    }

    move(share) {
      const by = (this.to - this.from) * share;
      this.view(this.from + by, this.to + by);
      this.draw();
    }

    // Each time the next longest wait.
    worst() {
      const e = this.events;
      if (!this.byWait)
        this.byWait = Array.from({ length: e.rows }, (_, row) => row)
          .sort((a, b) => e.begin[b] - e.came[b] - e.begin[a] + e.came[a]).slice(0, 50);
      const row = this.byWait[this.next++ % this.byWait.length], took = Math.max(500, e.stop[row] - e.came[row]);
      this.view(e.came[row] - took * 0.6, e.stop[row] + took * 0.6);
      this.select(row, true);
    }

    step(by) {
      const e = this.events;
      if (this.at < 0) {
        let row = 0;
        while (row < e.rows - 1 && e.came[row] < this.from) row++;
        return this.select(row, true);
      }
      const rows = this.lanes[e.lane[this.at]].rows;
      this.select(rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(this.at) + by))], true);
    }

    other(by) {
      if (this.at < 0) return this.step(1);
      const e = this.events, count = this.lanes.length, number = (e.lane[this.at] + by + count) % count;
      const away = (row) => Math.abs(e.came[row] - e.came[this.at]);
      this.select(this.lanes[number].rows.reduce((best, row) => (away(row) < away(best) ? row : best)), true);
    }

    listen() {
      const canvas = this.canvas, e = this.events;
      const keys = {
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), ArrowUp: () => this.other(-1),
        ArrowDown: () => this.other(1), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
        Home: () => this.select(0, true), End: () => this.select(e.rows - 1, true), w: () => this.worst(), W: () => this.worst(),
        Escape: () => this.select(-1, false),
      };
      canvas.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
        event.preventDefault();
        keys[event.key]();
      });
      const tools = { in: () => this.zoom(0.5), out: () => this.zoom(2), left: () => this.move(-0.5), right: () => this.move(0.5),
        all: () => { this.view(0, this.data.until); this.draw(); }, worst: () => this.worst() };
      for (const button of this.box.querySelectorAll("[data-do]"))
        button.addEventListener("click", tools[button.dataset.do]);
      let held = null;
      canvas.addEventListener("pointerdown", (event) => {
        held = { x: event.offsetX, from: this.from, to: this.to, moved: false };
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (held) {
          held.moved = held.moved || Math.abs(event.offsetX - held.x) > 4;
          if (!held.moved) return;
          const by = (held.x - event.offsetX) / this.k;
          this.view(held.from + by, held.to + by);
          this.later();
          return;
        }
        const row = this.under(event.offsetX, event.offsetY);
        if (row === this.hover) return;
        this.hover = row;
        if (row >= 0 || this.at >= 0) this.show(row >= 0 ? row : this.at);
        this.later();
      });
      canvas.addEventListener("pointerup", (event) => {
        if (held && !held.moved) this.select(this.under(event.offsetX, event.offsetY), false);
        held = null;
      });
      canvas.addEventListener("pointercancel", () => { held = null; });
      canvas.addEventListener("pointerleave", () => { this.hover = -1; this.show(this.at); this.later(); });
      canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.shiftKey) return;
        event.preventDefault();
        this.zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, event.offsetX);
      }, { passive: false });
      new ResizeObserver(() => { if (this.canvas.clientWidth !== this.width) this.later(); }).observe(canvas);
      for (const query of [print, dark]) query.addEventListener("change", () => this.draw());
      window.addEventListener("beforeprint", () => { document.documentElement.dataset.print = ""; this.draw(); });
      window.addEventListener("afterprint", () => { delete document.documentElement.dataset.print; this.draw(); });
    }

    later() {
      if (this.asked) return;
      this.asked = true;
      requestAnimationFrame(() => { this.asked = false; this.draw(); });
    }
  }

  async function begin() {
    for (const box of document.querySelectorAll("[data-timeline]")) {
      try {
        const data = JSON.parse(document.getElementById(box.dataset.timeline).textContent);
        new Timeline(box, data, await unpacked(data.events), await unpacked(data.slices));
      } catch (error) {
        box.querySelector("[data-role=detail]").replaceChildren(text("p", `The timeline cannot be drawn (${error}).`, "doubt"));
      }
    }
    document.documentElement.dataset.drawn = String(Math.round(performance.now()));
  }
  begin();
})();
