import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { act, insist, Problem, uuid, verdictOf } from "./api";
import { cells, edges, type LonLat } from "./cells";
import { span } from "./clock";
import { Feed, type Message } from "./feed";
import { lang, words } from "./i18n";
import { hear, keyOf, type Keymap } from "./keys";

test("a dictionary gives the language that is set, and fills in", () => {
  const t = words({ n: "{n} tin mới", same: "một" }, { n: "{n} new", same: "one" });
  expect(t("n", { n: 3 })).toBe("3 tin mới");
  lang.value = "en";
  expect(t("n", { n: 3 })).toBe("3 new");
  lang.value = "vi";
  // @ts-expect-error a missing key fails the build
  words({ a: "x", b: "y" }, { a: "x" });
  // @ts-expect-error so does a surplus one
  words({ a: "x" }, { a: "x", b: "y" });
});

test("a span reads as people read it", () => {
  expect([45_000, 59_999, 3_600_000, 90_061_000, -5].map(span)).toEqual(["0:45", "0:59", "1:00:00", "1 ngày 1 giờ", "0:00"]);
});

test("an id is a version 7 UUID, and another each time", () => {
  const ids = new Set(Array.from({ length: 1000 }, uuid));
  expect(ids.size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("a verdict is the first word of a reason", () => {
  expect([verdictOf("false:prank"), verdictOf("true"), verdictOf("something else"), verdictOf(undefined)]).toEqual(["false", "true", undefined, undefined]);
});

test("keys: none while composing, typing or with a modifier", () => {
  const e = { key: "a", isComposing: false, ctrlKey: false, metaKey: false, altKey: false, repeat: false, target: null };
  vi.stubGlobal("HTMLElement", class {});
  expect(keyOf(e)).toBe("A");
  expect(keyOf({ ...e, key: "ArrowDown" })).toBe("ArrowDown");
  for (const off of [{ isComposing: true }, { keyCode: 229 }, { ctrlKey: true }, { metaKey: true }, { altKey: true }]) expect(keyOf({ ...e, ...off })).toBe("");
  vi.unstubAllGlobals();
});

test("keys reach the newest map without listening anew, and none of them while a dialog is open", () => {
  vi.stubGlobal("HTMLElement", class {});
  const window = new EventTarget();
  const did: string[] = [];
  let map: Keymap = { A: () => did.push("old") };
  let dialog = false;
  const press = (key: string, more: object = {}) => {
    const e = Object.assign(new Event("keydown", { cancelable: true }), { key, ...more });
    window.dispatchEvent(e);
    return e.defaultPrevented;
  };
  const end = hear(window, () => map, () => dialog);
  map = { A: () => did.push("new"), J: () => did.push("down") };
  expect(press("a")).toBe(true);
  dialog = true;
  expect(press("a")).toBe(false);
  dialog = false;
  press("a", { repeat: true }); // held down: it acts once
  press("j", { repeat: true });
  expect(did).toEqual(["new", "down"]);
  end();
  expect(press("a")).toBe(false);
  vi.unstubAllGlobals();
});

test("cells: each site lies in its own cell, and the cells fill the whole", () => {
  const sites: LonLat[] = [[106.7, 10.7], [106.72, 10.71], [106.69, 10.74], [106.71, 10.68], [106.75, 10.75]];
  const area = (p: LonLat[]) => Math.abs(p.reduce((s, [x, y], i) => s + x * p[(i + 1) % p.length]![1] - p[(i + 1) % p.length]![0] * y, 0)) / 2;
  const all = cells(sites, 0.01);
  expect(all.reduce((s, c) => s + area(c), 0)).toBeCloseTo((106.76 - 106.68) * (10.76 - 10.67), 8);
  all.forEach((c, i) => {
    for (const [x, y] of c) for (const [j, s] of sites.entries()) if (j !== i) {
      const d = (q: LonLat) => (q[0] - x) ** 2 + (q[1] - y) ** 2;
      expect(d(sites[i]!)).toBeLessThanOrEqual(d(s) + 1e-9);
    }
  });
});

test("edges: what two cells share is one line of both, and the rim is of one", () => {
  const all = cells([[106.7, 10.7], [106.72, 10.71], [106.69, 10.74], [106.71, 10.68], [106.75, 10.75]], 0.01);
  const long = ([a, b]: readonly [LonLat, LonLat]): number => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const sum = (of: number): number => edges(all).filter((e) => e.of.length === of).reduce((s, e) => s + long(e.line), 0);
  const around = all.reduce((s, c) => s + c.reduce((n, p, i) => n + long([p, c[(i + 1) % c.length]!]), 0), 0);
  expect(sum(1)).toBeCloseTo(2 * (0.08 + 0.09), 8);
  expect(2 * sum(2) + sum(1)).toBeCloseTo(around, 8);
  expect(sum(2)).toBeGreaterThan(0);
});

describe("with a node that answers badly", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test("an action is sent again with the same id while the answer is later, and not when it is no", async () => {
    const ids: string[] = [];
    const answers = [new Response("{}", { status: 503, headers: { "Retry-After": "2" } }), new Response('{"type":"/problems/held","code":"held","holder":{"officer":"lan"}}', { status: 409 })];
    vi.stubGlobal("fetch", async (_: string, o: { body: string }) => {
      ids.push((JSON.parse(o.body) as { id: string }).id);
      return answers.shift()!;
    });
    const done = act("00000000-0000-7000-8000-000000000000", "claim", "v1.").catch((e: unknown) => e);
    await vi.runAllTimersAsync();
    const e = (await done) as Problem;
    expect([e.status, e.code, e.holder?.officer, ids.length, new Set(ids).size]).toEqual([409, "held", "lan", 2, 1]);
  });

  test("what was not answered at all is tried four times", async () => {
    let n = 0;
    const done = insist(() => {
      n++;
      return Promise.reject(new Problem(0, "no-answer", ""));
    }).catch((e: unknown) => e);
    await vi.runAllTimersAsync();
    expect([((await done) as Problem).status, n]).toEqual([0, 4]);
  });

  test("the stream resumes where it broke off, and starts again when it hears nothing", async () => {
    const opened: { url: string; on: Map<string, (e: unknown) => void>; closed: boolean; onerror?: () => void }[] = [];
    vi.stubGlobal("EventSource", class {
      on = new Map<string, (e: unknown) => void>();
      closed = false;
      constructor(readonly url: string) {
        opened.push(this);
      }
      addEventListener(k: string, f: (e: unknown) => void) {
        this.on.set(k, f);
      }
      close() {
        this.closed = true;
      }
    });
    vi.stubGlobal("fetch", async () => new Response("{}"));
    const said: Message[] = [];
    const f = new Feed((m) => said.push(m));
    const beat = JSON.stringify({ at: "2026-11-24T08:00:00.000Z", index: 1, line: { state: "connected", since: "", lag: 0 } });
    expect(opened[0]!.url).toBe("/api/v1/live");
    opened[0]!.on.get("heartbeat")!({ data: beat, lastEventId: "" });
    expect(said.map((m) => m.kind)).toEqual(["reset", "state"]); // the lists are read only once the stream stands
    opened[0]!.on.get("incident")!({ data: '{"incident":"x","row":{}}', lastEventId: "41" });
    await vi.advanceTimersByTimeAsync(14_000); // asleep, or a dead connection
    expect(opened[0]!.closed).toBe(true);
    expect(said.at(-1)).toMatchObject({ kind: "state", state: "connecting" });
    await vi.advanceTimersByTimeAsync(2000);
    expect(opened[1]!.url).toBe("/api/v1/live?after=41");
    opened[1]!.on.get("heartbeat")!({ data: beat, lastEventId: "41" });
    expect(said.filter((m) => m.kind === "reset")).toHaveLength(1); // resumed: nothing was missed
    vi.stubGlobal("fetch", async () => new Response("{}", { status: 401 }));
    opened[1]!.onerror!();
    await vi.advanceTimersByTimeAsync(1000);
    expect(said.at(-1)).toMatchObject({ state: "out" });
    f.close();
  });
});
