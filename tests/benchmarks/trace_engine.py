"""labkit's reading of a trace beside that of DevTools' own engine, npm's ``@paulirish/trace_engine``.

    .venv/bin/python -m tests.benchmarks.trace_engine TRACE [TRACE ...]

Needs node and npm; the engine goes into a temporary folder and is removed again. Its forced-reflow warning is given
only where a task's forced layouts and style recalculations take 30 ms together (`FORCED_REFLOW_THRESHOLD`), so the
layouts within its own `isJSInvocationEvent` are counted beside it, on its own tree of the page's main thread. It takes
EventDispatch for script, where the browser itself moves the focus and recalculates styles: there, labkit may count
fewer. labkit takes a layout with a stack trace for forced, under whatever event it stands: there, it may count more.
The engine refuses a trace that was started from the browser's own session instead of the page's, since that one names
no frames.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from labkit.browser.trace import reader

#: The one that was compared last.
ENGINE = "@paulirish/trace_engine@0.0.65"

JUDGE = """
import { analyzeTrace } from '@paulirish/trace_engine/analyze-trace.mjs';
import * as Trace from '@paulirish/trace_engine/models/trace/trace.js';
const [file, pid] = [process.argv[2], Number(process.argv[3])];
const { parsedTrace } = await analyzeTrace(file);
const data = parsedTrace.data ?? parsedTrace;
const forced = { Layout: 0, UpdateLayoutTree: 0 };
for (const [entry, node] of data.Renderer.entryToNode) {
  if (entry.pid !== pid || !(entry.name in forced)) continue;
  for (let above = node.parent; above; above = above.parent) {
    if (Trace.Types.Events.isJSInvocationEvent(above.entry)) { forced[entry.name]++; break; }
  }
}
const warned = name => (data.Warnings.perWarning.get(name) ?? []).filter(e => e.pid === pid);
const longest = new Map();
for (const i of data.UserInteractions.interactionEventsWithNoNesting.filter(i => i.pid === pid)) {
  longest.set(i.interactionId, Math.max(longest.get(i.interactionId) ?? 0, i.dur / 1000));
}
const sorted = [...longest.values()].sort((a, b) => b - a);
const main = data.Renderer.processes.get(pid).threads;
const tasks = warned('LONG_TASK').filter(e => main.get(e.tid)?.name === 'CrRendererMain');
console.log(JSON.stringify({
  'forced layouts': forced.Layout,
  'forced styles': forced.UpdateLayoutTree,
  'warned of reflows': warned('FORCED_REFLOW').length,
  'INP ms': sorted[Math.min(9, Math.floor(sorted.length / 50))] ?? null,
  'long tasks': tasks.length,
  'long tasks ms': tasks.reduce((sum, e) => sum + e.dur / 1000, 0),
}));
"""


def main():
    if len(sys.argv) < 2:
        sys.exit("give one trace or more, .json or .json.gz")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", ENGINE], cwd=folder, check=True)
        judge = Path(folder, "judge.mjs")
        judge.write_text(JUDGE, encoding="utf-8")
        for path in sys.argv[1:]:
            ours = reader.read(path)
            done = subprocess.run(
                ["node", judge, Path(path).resolve(), str(ours.pid)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                error = next((line for line in done.stderr.splitlines() if "Error: " in line), done.stderr)
                print(f"{Path(path).name}: trace_engine refuses it: {error}\n")
                continue
            theirs = json.loads(done.stdout.splitlines()[-1])
            found = {
                "forced layouts": ours.forced_layouts,
                "forced styles": ours.forced_styles,
                "INP ms": ours.inp_ms,
                "long tasks": len(ours.long_tasks),
                "long tasks ms": sum(task.duration_ms for task in ours.long_tasks),
            }
            rows = [(name, _said(found.get(name)), _said(value)) for name, value in theirs.items()]
            print(f"{Path(path).name}\n{tabulate(rows, ('', 'labkit', 'trace_engine'), disable_numparse=True)}\n")


def _said(value):
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
