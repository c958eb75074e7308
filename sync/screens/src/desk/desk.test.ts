import { describe, expect, test } from "vitest";
import type { Incident, Row, TimelineEntry } from "../lib/api";
import { open, ticked } from "./checklists";
import { caller } from "./caller";
import { before, concerns, due, metres, parked, plain, settle, stalled, unclaimed } from "./order";
import { review, sorted } from "./review";

const row = (id: string, more: Partial<Row> = {}): Row => ({ id, status: "received", units: ["ward/26704"], told: [{ unit: "ward/26704", progress: "told" }], priority: "P2", received_at: "2026-11-24T08:00:00.000Z", index: 1, ...more });
const at = (t: string) => Date.parse(`2026-11-24T${t}Z`);

describe("the queue's order", () => {
  test("priority before age, age before id; what is not routed yet stands on top", () => {
    const list = [row("d", { priority: "P4" }), row("b"), row("a", { received_at: "2026-11-24T09:00:00.000Z" }), row("c"), row("e", { priority: "P1", received_at: "2026-11-24T10:00:00.000Z" })];
    const stub = row("s", { stub: true });
    delete stub.priority;
    expect([...list, stub].sort(before).map((r) => r.id)).toEqual(["s", "e", "b", "c", "a", "d"]);
  });

  test("nothing at or above an anchor comes, goes or moves; below it everything does", () => {
    const s = settle(["a", "b", "c", "d"], ["new", "a", "c", "b", "x", "d"], new Set(["b"]), false);
    expect(s.rows.slice(0, 2)).toEqual(["a", "b"]);
    expect(s.waiting).toEqual(["new", "c"]);
    expect(s.rows).toEqual(["a", "b", "x", "d"]);
  });

  test("a row that left stays in its place above the anchor until all are let in", () => {
    expect(settle(["a", "b", "c"], ["b", "c"], new Set(["b"]), false).rows).toEqual(["a", "b", "c"]);
    expect(settle(["a", "b", "c"], ["b", "c"], new Set(), false)).toEqual({ rows: ["b", "c"], waiting: [] });
    // The anchor itself left: the one above it says where the line is.
    expect(settle(["a", "b"], ["p", "a", "q"], new Set(["b"]), false)).toEqual({ rows: ["a", "b", "q"], waiting: ["p"] });
  });

  test("paused: the order stands, and everything new waits", () => {
    expect(settle(["b"], ["a", "b", "c"], new Set(), true)).toEqual({ rows: ["b"], waiting: ["a", "c"] });
    expect(settle([], ["a"], new Set(), true)).toEqual({ rows: [], waiting: ["a"] });
  });

  test("a claim in another unit does not stop this unit's bell", () => {
    const told = [{ unit: "PC07", progress: "seen" as const, holder: "khoa" }, { unit: "ward/26704", progress: "told" as const }];
    expect(unclaimed(row("a", { status: "claimed", told }), "ward/26704", 0)).toBe(true);
    expect(unclaimed(row("a", { told }), "PC07", 0)).toBe(false);
    expect(unclaimed(row("a", { parked_until: "2026-11-24T09:00:00.000Z" }), "ward/26704", at("08:30:00"))).toBe(false);
    expect(parked(row("a", { parked_until: "2026-11-24T09:00:00.000Z" }), at("09:00:01"))).toBe(false);
    expect(concerns(row("a", { told: [{ unit: "ward/26704", progress: "forwarded" }] }), "ward/26704")).toBe(false);
  });

  test("the deadline is that of the next step, by what has happened", () => {
    const deadlines = ["claim", "verify", "dispatch", "resolve"].map((step, i) => ({ step, at: `2026-11-24T08:0${i}:00.000Z` }));
    const step = (more: Partial<Row>) => due(row("a", { deadlines, ...more }), "ward/26704")?.step;
    const held = [{ unit: "ward/26704", progress: "seen" as const, holder: "lan" }];
    expect(step({})).toBe("claim");
    expect(step({ told: held })).toBe("verify");
    expect(step({ told: held, status: "verified" })).toBe("dispatch");
    expect(step({ told: held, status: "on_scene" })).toBe("resolve");
    expect(step({ told: held, status: "resolved" })).toBeUndefined();
  });

  test("a claim that goes nowhere sounds again once the next step is overdue, until a step is done or it is parked", () => {
    const told = [{ unit: "ward/26704", progress: "seen" as const, holder: "lan" }];
    const r = row("a", { told, status: "claimed", deadlines: [{ step: "claim", at: "2026-11-24T08:01:00.000Z" }, { step: "classify", at: "2026-11-24T08:05:00.000Z" }] });
    expect(stalled(r, "ward/26704", at("08:04:59"))).toBe(false);
    expect(stalled(r, "ward/26704", at("08:05:01"))).toBe(true);
    expect(stalled(r, "PC07", at("08:05:01"))).toBe(false);
    expect(stalled({ ...r, status: "verified" }, "ward/26704", at("08:05:01"))).toBe(false);
    expect(stalled({ ...r, parked_until: "2026-11-24T08:30:00.000Z" }, "ward/26704", at("08:05:01"))).toBe(false);
  });
});

test("search knows no marks: chay nha finds cháy nhà, and đ is d", () => {
  expect(plain("CHÁY NHÀ, đường Đồng Khởi")).toContain("chay nha, duong dong khoi");
});

test("metres: a tenth of a minute of latitude", () => {
  expect(metres({ lat: 10.7, lon: 106.7 }, { lat: 10.7 + 1 / 600, lon: 106.7 })).toBeCloseTo(185.3, 0);
});

test("the caller's line gives name and number, or nobody", () => {
  expect(caller("Chị Lan 0901 234 567")).toEqual({ name: "Chị Lan", phone: "0901234567" });
  expect(caller("+84 901-234-567, ông Ba (tổ 5)")).toEqual({ name: "ông Ba tổ 5", phone: "+84901234567" });
  expect(caller("  ")).toEqual({ anonymous: true });
});

test("the checklist: ticks and ticks taken back; false and duplicate need none", () => {
  const line = (entry: string, value: string, withdrawn = false) => ({ entry, kind: "note", value, withdrawn });
  const done = ticked([line("1", "check:called_114"), line("2", "check:power_gas_off", true), line("3", "something")]);
  expect([...done]).toEqual([["called_114", "1"]]);
  expect(open("fire", "true:seen", done)).toEqual(["trapped_checked", "power_gas_off", "told_reporter"]);
  expect(open("fire", undefined, done)).toHaveLength(3);
  expect(open("fire", "false:prank", new Map())).toEqual([]);
  expect(open("fire", "duplicate:same_event", new Map())).toEqual([]);
});

test("the review: each side's work during the cut, what contradicts first", () => {
  const entry = (entry: string, kind: string, origin: string, t: string): TimelineEntry => ({ entry, kind, by: "x", origin, at: `2026-11-24T${t}.000Z`, clock_sure: true, index: 1 });
  const incident = (id: string, timeline: TimelineEntry[], more: Partial<Incident> = {}): Incident => ({ id, version: "v1.", status: "claimed", open: true, epoch: 0, units: [], conflicts: [], reports: [], items: [], deadlines: [], timeline, delivery: { ward: true, city: true, index: 1, pending: 0 }, ...more });
  const cut = { from: at("08:00:00"), to: at("08:30:00") };
  const quiet = incident("a", [entry("1", "claim", "ward-26704", "07:00:00"), entry("2", "missed", "core", "08:10:00")]);
  expect(review(quiet, cut, "ward-26704")).toBeNull();
  const both = review(incident("b", [entry("1", "claim", "ward-26704", "08:10:00"), entry("2", "classify", "core", "08:11:00")]), cut, "ward-26704")!;
  expect([both.here.length, both.there.length, both.conflict]).toEqual([1, 1, false]);
  const rivals = review(incident("c", [], { units: [{ unit: "ward/26704", progress: "seen", other_claims: [{ officer: "b", by: { entry: "e", name: "b", origin: "core", at: "", clock_sure: true } }] }] }), cut, "ward-26704")!;
  expect(rivals.conflict).toBe(true);
  expect(sorted([both, rivals]).map((r) => r.incident.id)).toEqual(["c", "b"]);
});
