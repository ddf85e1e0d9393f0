// What the browser tells about its own work: DOM operations, interactions, long tasks, long animation frames.
export class Measure {
  constructor(stage) {
    this.stage = stage;
    this.observers = [];
    this.start();
  }

  start() {
    this.domOps = 0;
    this.events = new Map(); // by interactionId: all of its events that were told
    this.longTasks = [];
    this.longFrames = [];
    this.interactionsBefore = performance.interactionCount ?? 0;
    for (const observer of this.observers) observer.disconnect();
    this.observers = [];
    this.mutations = new MutationObserver((records) => { this.domOps += records.length; });
    this.mutations.observe(this.stage, { subtree: true, childList: true, attributes: true, characterData: true });
    this.observers.push(this.mutations);
    this.since = performance.now();
    this.observe({ type: 'event', durationThreshold: 16 }, (entry) => this.interaction(entry));
    this.observe({ type: 'first-input' }, (entry) => this.interaction(entry));
    this.observe({ type: 'longtask' }, (entry) => this.longTasks.push([entry.startTime, entry.duration]));
    this.observe({ type: 'long-animation-frame' }, (entry) => this.longFrames.push({
      start_ms: entry.startTime,
      duration_ms: entry.duration,
      blocking_ms: entry.blockingDuration,
      scripts: entry.scripts.map((script) => ({
        invoker: script.invoker,
        start_ms: script.startTime,
        source: script.sourceURL.replace(/^.*\//, '').replace(/\?.*$/, ''),
        function: script.sourceFunctionName,
        duration_ms: script.duration,
        forced_ms: script.forcedStyleAndLayoutDuration,
      })),
    }));
  }

  observe(options, each) {
    const observer = new PerformanceObserver((list) => this.take(list.getEntries(), each));
    observer.each = each;
    try {
      observer.observe(options);
    } catch {
      return; // this browser does not know the type
    }
    this.observers.push(observer);
  }

  take(entries, each) {
    for (const entry of entries) if (entry.startTime >= this.since) each(entry);
  }

  // Observers are told late: what waits for them is taken before anything is read.
  flush() {
    for (const observer of this.observers) {
      const waiting = observer.takeRecords();
      if (observer === this.mutations) this.domOps += waiting.length;
      else this.take(waiting, observer.each);
    }
  }

  interaction(entry) {
    if (!entry.interactionId) return;
    const known = this.events.get(entry.interactionId);
    if (known) known.push(entry);
    else this.events.set(entry.interactionId, [entry]);
  }

  told() {
    return [...this.events].map(([id, entries]) => ({ id, ...inParts(entries) }));
  }

  // https://web.dev/articles/inp: the longest interaction, one of them left out for every 50. Null where none was
  // long enough (16 ms) to be told.
  inp() {
    const durations = this.told().map((each) => each.duration_ms).sort((a, b) => b - a);
    const count = Math.max(durations.length, (performance.interactionCount ?? 0) - this.interactionsBefore);
    if (durations.length === 0) return null;
    return durations[Math.min(durations.length - 1, Math.floor(count / 50))];
  }
}

// An interaction is its longest event. The handlers of all events that the same paint ended are its own, as in
// web-vitals: a press lasts until the paint that shows what the click did. Durations are rounded to 8 ms.
function inParts(entries) {
  const longest = entries.reduce((one, other) => (other.duration > one.duration ? other : one));
  const painted = longest.startTime + longest.duration;
  const together = entries.filter((entry) => Math.abs(entry.startTime + entry.duration - painted) <= 8);
  const begun = Math.min(...together.map((entry) => entry.processingStart));
  const ended = Math.max(...together.map((entry) => entry.processingEnd));
  const spent = (entry) => entry.processingEnd - entry.processingStart;
  return {
    start_ms: longest.startTime,
    duration_ms: longest.duration,
    input_delay_ms: Math.max(0, begun - longest.startTime),
    processing_ms: ended - begun,
    presentation_delay_ms: Math.max(0, painted - ended),
    type: together.reduce((one, other) => (spent(other) > spent(one) ? other : one)).name,
  };
}
