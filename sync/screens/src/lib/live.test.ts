import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Row } from "./api";
import { Feed, type Message } from "./feed";
import { Incidents } from "./store";

const row = (id: string, index: number, more: Partial<Row> = {}): Row => ({ id, status: "received", units: [], told: [], index, ...more });
const told = (r: Row) => ({ incident: r.id, row: r });

class Source extends EventTarget {
  static last: Source;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Source.last = this;
  }
  close(): void {}
  say(kind: string, data: object, lastEventId = ""): void {
    this.dispatchEvent(Object.assign(new Event(kind), { data: JSON.stringify(data), lastEventId }));
  }
}
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("one change is told at once; many come as ten lists a second, each incident once and as it is now", () => {
  const heard: Message[] = [];
  const feed = new Feed((m) => heard.push(m));
  Source.last.say("incident", told(row("a", 1)), "1");
  expect(heard).toEqual([{ kind: "incidents", data: [told(row("a", 1))] }]);
  for (let i = 2; i < 502; i++) {
    Source.last.say("incident", told(row(String(i % 7), i)), String(i));
    vi.advanceTimersByTime(2);
  }
  const lists = heard.slice(1).map((m) => (m.kind === "incidents" ? m.data : []));
  expect(lists.length).toBeLessThanOrEqual(10);
  for (const l of lists) expect(new Set(l.map((e) => e.incident)).size).toBe(l.length);
  vi.advanceTimersByTime(200);
  const last = new Map(heard.flatMap((m) => (m.kind === "incidents" ? m.data : [])).map((e) => [e.incident, e.row.index]));
  expect([...last.values()].sort((x, y) => x - y)).toEqual([1, 495, 496, 497, 498, 499, 500, 501]);
  feed.close();
});

test("a row that waited for the city does so no more, and one that changed since still does", () => {
  const all = new Incidents("/never");
  const [a, b] = [row("a", 1, { brief: { text: "x", pending: 2 } }), row("b", 1, { brief: { text: "y", pending: 1 } })];
  all.incidents([told(a), told(b)]);
  const waited = all.list();
  all.incidents([told({ ...b, index: 2 })]);
  all.delivered(waited);
  expect(all.get("a")?.brief).toEqual({ text: "x" });
  expect(all.get("b")?.brief?.pending).toBe(1);
});

test("the list keeps its order, and is compared through only when a row has moved", () => {
  let compared = 0;
  const rank = (r: Row): string => r.priority! + r.id;
  const all = new Incidents("/never", (r) => r.status !== "closed", (a, b) => (compared++, rank(a) < rank(b) ? -1 : Number(rank(a) > rank(b))));
  const many = Array.from({ length: 5000 }, (_, i) => row(String((i * 7919) % 5000).padStart(4, "0"), 1, { priority: `P${1 + (i % 4)}` as "P1" }));
  all.incidents(many.map(told));
  expect(all.list().map(rank)).toEqual(many.map(rank).sort());
  compared = 0;
  all.incidents([told({ ...many[9]!, index: 2, status: "claimed" })]);
  all.list();
  expect(compared).toBe(1);
  all.incidents([told({ ...many[9]!, index: 3, verdict: "true:seen" }), told({ ...many[11]!, index: 2, priority: "P1" }), told({ ...many[13]!, index: 2, status: "closed" }), told(row("new", 2, { priority: "P2" }))]);
  expect(all.list().find((r) => r.id === many[9]!.id)?.verdict).toBe("true:seen");
  expect(all.list().map(rank)).toEqual([...all.list()].map(rank).sort());
  expect(all.list()).toHaveLength(5000);
  expect(compared).toBeLessThan(6000);
  all.incidents([told({ ...many[9]!, index: 1 })]); // of two states the newer stands
  expect(all.get(many[9]!.id)?.verdict).toBe("true:seen");
});
