import { expect, test } from "vitest";
import type { Row, Station } from "../lib/api";
import { byWard, csv, missed, quality, silent, tally } from "./figures";

const t0 = Date.parse("2026-11-24T10:00:00Z");
const at = (s: number): string => new Date(t0 + s * 1000).toISOString();
const row = (id: string, more: Partial<Row> = {}): Row => ({ id, status: "received", units: [], told: [], index: 1, received_at: at(0), lead: "ward/26704", priority: "P3", ...more });

test("a ward shows its worst open incident, and closed ones not at all", () => {
  const m = byWard([row("a", { priority: "P2" }), row("b", { priority: "P1", status: "closed" }), row("c", { told: [{ unit: "ward/26704", progress: "seen", holder: "lan" }] }), row("d", { lead: "command" })]);
  expect(m.get("26704")).toEqual({ open: 2, worst: "P2", unclaimed: 1 });
  expect(m.size).toBe(1);
});

test("a step that was done late or is not reached yet is told apart from one that is missed", () => {
  const deadlines = [{ step: "claim", at: at(60) }, { step: "dispatch", at: at(600) }];
  const held = [{ unit: "ward/26704", progress: "seen" as const, holder: "lan" }];
  const list = missed([row("claimed", { deadlines, told: held, status: "claimed" }), row("open", { deadlines }), row("late", { deadlines, told: held, status: "verified", received_at: at(-900) }), row("done", { deadlines, status: "closed" })], t0 + 120_000);
  expect(list.map((m) => [m.row.id, m.step])).toEqual([["open", "claim"]]);
  expect(missed([row("late", { deadlines, told: held, status: "verified" })], t0 + 700_000).map((m) => m.step)).toEqual(["dispatch"]);
});

test("silent is a station that is not connected", () => {
  const s = (ward: string, connected: boolean): Station => ({ id: "ward-" + ward, ward, name: ward, connected });
  expect([...silent([s("26704", false), s("26740", true)]).keys()]).toEqual(["26704"]);
});

test("eleven reports within ten minutes are a flood, eleven in an hour are not", () => {
  const spread = (gap: number): Row[] => Array.from({ length: 11 }, (_, i) => row("r" + i, { received_at: at(i * gap), device: "app-1", verdict: i === 0 ? "false:prank" : "true:seen", priority: i < 5 ? "P1" : "P3" }));
  expect(quality(spread(59), t0 + 660_000)).toMatchObject({ most: 11, flood: true, lastHour: 11, share: { P1: 45, P3: 55 } });
  expect(quality(spread(300), t0 + 3_600_000)).toMatchObject({ most: 2, flood: false });
  expect(quality(spread(59), t0).sources).toEqual([{ key: "app-1", count: 11, open: 11, verdicts: 11, false: 1 }]);
});

test("what a spreadsheet would run is a text in the file", () => {
  expect(csv([["a,b", '"x"', 3], ["=1+1", "-2", "xin\nchào"]])).toBe('"a,b","""x""",3\r\n\'=1+1,\'-2,"xin\nchào"\r\n');
  expect(tally([row("a", { category: "fire" }), row("b", { category: "fire" }), row("c", { category: "crime" })], (r) => r.category).map((l) => l.key)).toEqual(["fire", "crime"]);
});
