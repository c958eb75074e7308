// What a page costs the browser, out of Chromium's own trace. Processor time, so that a machine
// with much else to do makes no difference; only `wall` is what somebody would have waited.

/** Which part of the work an event of the trace is. */
const parts = {
  script: ["FunctionCall", "EvaluateScript", "RunMicrotasks", "TimerFire", "FireAnimationFrame", "EventDispatch", "MinorGC", "MajorGC", "BlinkGC.AtomicPhase"],
  style: ["UpdateLayoutTree", "ScheduleStyleRecalculation"],
  layout: ["Layout"],
  paint: ["PrePaint", "Paint", "Layerize", "UpdateLayer", "Commit", "CompositeLayers"],
};
const partOf = new Map(Object.entries(parts).flatMap(([part, names]) => names.map((name) => [name, part])));

/** The value below which a share of a sorted list lies; 0 for an empty one. */
export const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/**
 * Watches a page for some milliseconds. Gives wall, the times from frame to frame, and busy, the processor time of
 * the main thread in each frame, both sorted, milliseconds; load, the main thread's parts, and threads, all that the
 * page's process and the display's do, percent of one processor.
 */
export async function watch(browser, page, ms) {
  await page.evaluate(() => {
    const g = globalThis;
    g.frames_ = [];
    let last = performance.now();
    const frame = (t) => {
      g.frames_.push(t - last);
      last = t;
      g.frame_ = requestAnimationFrame(frame);
    };
    g.frame_ = requestAnimationFrame(frame);
  });
  await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "v8.execute"] });
  await new Promise((done) => setTimeout(done, ms));
  const trace = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
  const wall = await page.evaluate(() => {
    const g = globalThis;
    cancelAnimationFrame(g.frame_);
    return g.frames_.slice(2);
  });

  const names = new Map(trace.filter((e) => e.ph === "M" && e.name === "thread_name").map((e) => [`${e.pid}/${e.tid}`, e.args.name]));
  const threads = new Map();
  let from = Infinity, to = 0;
  for (const e of trace) {
    if (e.ph !== "X" || e.tdur === undefined) continue;
    [from, to] = [Math.min(from, e.ts), Math.max(to, e.ts + e.dur)];
    const key = `${e.pid}/${e.tid}`;
    const list = threads.get(key);
    if (list) list.push(e);
    else threads.set(key, [e]);
  }
  /** A task of a thread, as its loop runs it. */
  const isTask = (e) => e.name === "ThreadControllerImpl::RunTask";
  const percent = (us) => (100 * us) / (to - from);
  // The page is the renderer whose main thread did most.
  const cost = (key) => (threads.get(key) ?? []).reduce((sum, e) => sum + (isTask(e) ? e.tdur : 0), 0);
  const main = [...names].filter(([, name]) => name === "CrRendererMain").map(([key]) => key).sort((a, b) => cost(b) - cost(a))[0] ?? "";
  const all = {};
  for (const key of threads.keys()) {
    const name = names.get(key) ?? "";
    if (key.split("/")[0] === main.split("/")[0] || /Viz|Gpu/.test(name)) all[name] = (all[name] ?? 0) + percent(cost(key));
  }

  const events = (threads.get(main) ?? []).sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const load = { script: 0, style: 0, layout: 0, paint: 0, other: 0 };
  const busy = [];
  let sum = 0, end = 0, drawn = false;
  const open = [];
  const leave = () => {
    const { e, inner, part } = open.pop();
    load[part] += percent(e.tdur - inner);
    const up = open.at(-1);
    if (up) up.inner += e.tdur;
  };
  for (const e of events) {
    while (open.length && open.at(-1).e.ts + open.at(-1).e.dur <= e.ts) leave();
    if (isTask(e) && e.ts >= end) { // a frame ends with the task that gave it away
      if (drawn) {
        busy.push(sum / 1000);
        [sum, drawn] = [0, false];
      }
      sum += e.tdur;
      end = e.ts + e.dur;
    }
    if (e.name === "Commit") drawn = true;
    open.push({ e, inner: 0, part: partOf.get(e.name) ?? open.at(-1)?.part ?? "other" });
  }
  while (open.length) leave();
  const ascending = (a, b) => a - b;
  return { wall: wall.sort(ascending), busy: busy.sort(ascending), load, threads: all };
}
