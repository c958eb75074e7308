// Figures of the screens in Debian's Chromium against a whole city of the real program:
// the desk with thousands of open incidents and hundreds of changes a second, the citizen's
// page on a slow phone, a press on a panic button until it stands on the desk. Prints one line a figure:
// name, value, unit, limit. An officer's browser has a machine of its own: here it goes before the city and the load
// where they want the same processor (nice). A frame is given twice: as it was seen, with what waiting is left, and as
// what the page's main thread itself did in it.
// LASTS=600 is the long form, which also watches the memory.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { loadavg, setPriority, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { open as launch, until } from "./browser.mjs";
import { quantile, watch } from "./frames.mjs";

const binary = process.env.WARDLINE ?? resolve(import.meta.dirname, "../../../wardline");
const number = (name, or) => Number(process.env[name] ?? or);
const open = number("OPEN", 5000), rate = number("RATE", 500), seconds = number("LASTS", 20);
const figures = [];
let failed = false;
/** One figure; beyond its limit the run fails at the end. */
function say(name, value, unit, limit) {
  const bad = limit !== undefined && value > limit;
  failed ||= bad;
  figures.push({ name, value, unit, limit });
  console.log(`${name.padEnd(52)} ${value.toFixed(1).padStart(9)} ${unit.padEnd(10)}${limit === undefined ? "" : `at most ${limit}`}${bad ? "  MISSED" : ""}`);
}
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
/** Runs f for each of list, n at a time. */
async function each(list, n, f) {
  let next = 0;
  await Promise.all(Array.from({ length: n }, async () => {
    while (next < list.length) await f(list[next++]);
  }));
}

const built = resolve(import.meta.dirname, "../dist/built");
const assets = readdirSync(join(built, "assets"));
/** The gzipped bytes of all scripts that a page loads at once. */
function scriptOf(page) {
  const html = readFileSync(join(built, page, "index.html"), "utf8");
  const todo = [...html.matchAll(/assets\/([\w.-]+\.js)/g)].map((m) => m[1]);
  const seen = new Set();
  while (todo.length) {
    const name = todo.pop();
    if (seen.has(name) || !assets.includes(name)) continue;
    seen.add(name);
    for (const m of readFileSync(join(built, "assets", name), "utf8").matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)) todo.push(m[1]);
  }
  return [...seen].reduce((n, name) => n + gzipSync(readFileSync(join(built, "assets", name)), { level: 9 }).length, 0) / 1024;
}
say("desk: script, gzipped", scriptOf("desk"), "KiB", 120);
say("command centre: script, gzipped", scriptOf("command"), "KiB", 120);
say("citizen's page: script, gzipped", scriptOf("citizen"), "KiB", 60);

const dir = mkdtempSync(join(tmpdir(), "wardline-screens-bench-"));
const any = "127.0.0.1:0";
const lines = new Agent({ keepAlive: true, maxSockets: 64 });
/** The status of a POST, by connections that stay: fetch would cost the generator most of its time. */
const post = (url, headers, body) => new Promise((done, fail) => {
  const q = request(url, { method: "POST", agent: lines, headers: { ...headers, "Content-Type": "application/json" } }, (a) => a.resume().on("end", () => done(a.statusCode)));
  q.on("error", fail);
  q.end(JSON.stringify(body));
});
const city = spawn("nice", ["-n", "15", binary, "city", "--data", dir, "--command", any, "--station", any, "--mqtt", any, "--limits=off"], { stdio: "ignore" });
let browser;
try {
  const file = await until("the city", () => existsSync(join(dir, "city.json")) && JSON.parse(readFileSync(join(dir, "city.json"), "utf8")), 120_000);
  const station = file.stations[0], device = file.devices[0];
  const basic = "Basic " + Buffer.from(`${device.id}:${device.password}`).toString("base64");
  const report = (category, text) => ({ id: randomUUID(), category, text, location: { lat: 10.72 + Math.random() * 0.02, lon: 106.72 + Math.random() * 0.02, accuracy_m: 20 } });
  const send = async (r) => {
    const status = await post(station.url + "/api/v1/reports", { Authorization: basic }, r);
    if (status !== 201) throw new Error(`report: ${status}`);
  };
  browser = await launch("--enable-precise-memory-info");
  setPriority(15); // this generator, from here on
  try {
    writeFileSync("/proc/self/autogroup", "15"); // where Linux weighs sessions and not processes; the browser has one of its own
  } catch {} // elsewhere the priority does

  // The citizen's page on a slow phone: 1.6 Mbit/s, 150 ms away, a processor of a quarter.
  const phone = await (await browser.newContext({ viewport: { width: 390, height: 844 }, serviceWorkers: "block" })).newPage();
  const slow = await phone.context().newCDPSession(phone);
  await slow.send("Network.enable");
  await slow.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 });
  await slow.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await phone.addInitScript(() => {
    const o = new MutationObserver(() => {
      if (!document.querySelector(".tiles button")) return;
      o.disconnect();
      requestAnimationFrame(() => (globalThis.usable_ = performance.now())); // drawn with the next frame
    });
    o.observe(document, { childList: true, subtree: true });
  });
  await phone.goto(`${station.url}/citizen/`);
  say("citizen's page usable, 1.6 Mbit/s, CPU 4x slower", await until("the citizen's page", () => phone.evaluate(() => globalThis.usable_)), "ms", 1500);
  await phone.context().close();

  const o = file.officers.find((x) => x.role === "ward_officer");
  const deskOf = async () => {
    const page = await (await browser.newContext({ viewport: { width: 1920, height: 1080 } })).newPage();
    await page.goto(`${station.url}/desk/`);
    await page.fill("input[name=user]", o.user);
    await page.fill("input[name=password]", o.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    return page;
  };

  // A press on a panic button: from the bytes on its cable until its row, or word of it, is drawn.
  const quiet = await deskOf();
  const button = station.panels.find((p) => p.protocol === "button");
  const cable = openSync(button.port, constants.O_WRONLY | constants.O_NOCTTY);
  const delays = [];
  for (let i = 0; i < 15; i++) {
    await quiet.evaluate(() => {
      const there = () => document.querySelectorAll(".queue li.line").length + "|" + (document.querySelector("[data-testid=waiting]")?.textContent ?? "");
      const before = there();
      globalThis.seen_ = new Promise((done) => {
        const m = new MutationObserver(() => {
          if (there() === before) return;
          m.disconnect();
          requestAnimationFrame(() => setTimeout(() => done(Date.now()))); // after the frame that draws it
        });
        m.observe(document.body, { childList: true, subtree: true, characterData: true });
      });
    });
    await pause(500);
    const at = Date.now();
    writeSync(cable, `PANIC ${button.device} ${1000 + i}\n`);
    delays.push((await quiet.evaluate(() => globalThis.seen_)) - at);
  }
  closeSync(cable);
  await quiet.context().close();
  delays.sort((a, b) => a - b);
  say("a press on a panel until it stands on the desk, p50", delays[7], "ms", 150);
  say("  the longest of 15", delays[14], "ms");

  // The desk.
  const kinds = ["feedback", "security", "traffic_accident", "fire", "medical", "crime"];
  const ids = Array.from({ length: open }, (_, i) => report(kinds[i % kinds.length], `vụ việc số ${i}`));
  await each(ids, 32, send);
  const desk = await deskOf();
  const shown = () => desk.locator(".queue h2 .dim").innerText().then(Number);
  await until(`the desk shows ${open} incidents`, async () => (await shown()) >= open * 0.99, 300_000);

  const cookie = (await fetch(station.url + "/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: o.user, password: o.password }) })).headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  let sent = 0, taken = 0, going = true;
  const began = Date.now();
  let given = 0; // what is due by the clock; who cannot keep up does not make it up later in a burst
  const change = async () => {
    while (going) {
      const due = ((Date.now() - began) / 1000) * rate;
      given = Math.max(given, due - rate / 2);
      if (given >= due) {
        await pause(5);
        continue;
      }
      given++;
      sent++;
      const r = ids[Math.floor(Math.random() * ids.length)];
      const status = await post(`${station.url}/api/v1/incidents/${r.id}/actions`, { Cookie: cookie }, { id: randomUUID(), action: "note", text: "còn theo dõi" }).catch(() => 0);
      if (status === 200 || status === 201) taken++;
    }
  };
  const cdp = await desk.context().newCDPSession(desk);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" }); // processor time: what else runs on the machine does not count
  const busy = async () => Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map((m) => [m.name, m.value]));
  const hands = Array.from({ length: 32 }, change);
  await pause(3000);
  const before = await busy();
  const from = taken;
  const heap = [];
  const t0 = Date.now();
  const frames = await watch(browser, desk, Math.min(10, seconds / 2) * 1000);
  const rateOf = (n, ms) => (n * 1000) / ms;
  const watched = { taken: taken - from, ms: Date.now() - t0 };
  while (heap.length < 2 || Date.now() - t0 < seconds * 1000) {
    await pause(Math.min(5000, seconds * 500));
    await cdp.send("HeapProfiler.collectGarbage");
    heap.push((await busy()).JSHeapUsedSize / 2 ** 20);
  }
  const after = await busy();
  const span = (Date.now() - t0) / 1000;
  say("changes a second, as the station took them", (taken - from) / span, "1/s");
  say("  while frames were watched", rateOf(watched.taken, watched.ms), "1/s");
  say(`frame p50 with ${open} open incidents, as seen`, quantile(frames.wall, 0.5), "ms");
  say(`frame p95 with ${open} open incidents, as seen`, quantile(frames.wall, 0.95), "ms", 33);
  say("  its main thread alone, processor time, p50", quantile(frames.busy, 0.5), "ms");
  say("  its main thread alone, processor time, p95", quantile(frames.busy, 0.95), "ms", 33);
  for (const [part, share] of Object.entries(frames.load)) say(`  of the main thread: ${part}`, share, "%");
  for (const [name, share] of Object.entries(frames.threads).filter(([, x]) => x >= 1)) say(`  thread: ${name}`, share, "%");
  say("the desk's main thread, processor time", (100 * (after.TaskDuration - before.TaskDuration)) / span, "%");
  say("its memory after the collector, at first", heap[0], "MiB");
  say("its memory after the collector, at the end", heap.at(-1), "MiB", heap[0] * 1.25 + 16);
  going = false;
  await Promise.all(hands);
} finally {
  await browser?.close();
  const ended = new Promise((done) => city.once("exit", done));
  city.kill("SIGTERM");
  await Promise.race([ended, pause(20_000).then(() => city.kill("SIGKILL"))]);
  rmSync(dir, { recursive: true, force: true });
}
console.log(`load ${loadavg().map((x) => x.toFixed(1)).join(" ")}: with more than the processors of this machine, "as seen" is mostly waiting`);
process.exit(failed ? 1 : 0);
