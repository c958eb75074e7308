// A desk with 5,000 open incidents and 500 changes a second. What the screen itself costs is
// measured in processor time of its main thread, so that a busy machine makes no difference;
// `make bench-screens` measures frames against a whole city.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { open as launch, until } from "./browser.mjs";
import { crowdOf, FakeNode, ward } from "./fake";

/** What one list of changes (ten a second) may cost the main thread in all, milliseconds of processor time. It was 127 with 20 others on two processors, when each drew the map; 29 since. */
const budget = 60;

let browser: Browser, node: FakeNode;
beforeAll(async () => {
  browser = await launch();
  node = await FakeNode.start();
});
afterAll(async () => {
  await browser?.close();
  await node?.stop();
});

test("5,000 open incidents and 500 changes a second: a list of changes costs little, and words draw no map", async () => {
  node.officer = { user: "lan", role: "ward_officer", unit: `ward/${ward}` };
  node.crowd = crowdOf(5000);
  const p = await (await browser.newContext({ viewport: { width: 1920, height: 1080 } })).newPage();
  p.setDefaultTimeout(60_000);
  await p.addInitScript(() => {
    const g = Object.assign(globalThis, { lists_: 0, drawn_: 0 });
    const Worker = SharedWorker;
    g.SharedWorker = class extends Worker {
      constructor(url: string | URL, o?: string | WorkerOptions) {
        super(url, o);
        this.port.addEventListener("message", (e: MessageEvent<{ kind: string }>) => void (g.lists_ += Number(e.data.kind === "incidents")));
      }
    };
    const clear = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function (...a) {
      g.drawn_++;
      return clear.apply(this, a);
    };
  });
  await p.goto(node.url + "/desk/");
  await p.waitForSelector("dialog[open]");
  await p.keyboard.press("Escape");
  await p.locator(".queue h2 .dim", { hasText: "5005" }).waitFor();
  // Few rows are drawn, all can be reached, and the last can be chosen.
  expect(await p.locator(".line").count()).toBeLessThan(60);
  await p.locator(".lines").evaluate((e) => (e.scrollTop = e.scrollHeight));
  await p.locator('.line[aria-posinset="5005"]').waitFor();
  await p.locator(".lines").evaluate((e) => (e.scrollTop = 0));
  await p.locator('.line[aria-posinset="1"]').waitFor();
  await p.keyboard.press("k"); // from nothing to the last: it comes into view
  await p.locator('.line.on[aria-posinset="5005"]').waitFor();

  node.changes = 500;
  const cdp = await p.context().newCDPSession(p);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const now = async () => ({
    task: (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration")!.value * 1000,
    ...await p.evaluate(() => ({ lists: (globalThis as unknown as { lists_: number }).lists_, drawn: (globalThis as unknown as { drawn_: number }).drawn_ })),
  });
  await p.locator(".line", { hasText: "đổi lần" }).first().waitFor();
  const lists = (n: number) => until("lists of changes", async () => (await now()).lists >= n, 60_000);
  await lists((await now()).lists + 20); // the page has warmed up
  const from = await now();
  await lists(from.lists + 40);
  const to = await now();
  node.changes = 0;
  const cost = (to.task - from.task) / (to.lists - from.lists);
  console.log(`main thread: ${cost.toFixed(1)} ms of processor time for each of ${to.lists - from.lists} lists of changes`);
  expect(cost).toBeLessThan(budget);
  expect(to.drawn).toBe(from.drawn);
}, 180_000);
