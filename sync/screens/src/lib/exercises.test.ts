import { expect, test } from "vitest";
import { byWard, missed } from "../command/figures";
import { before } from "../desk/order";
import type { Row } from "./api";
import { heard, join } from "./exercises";

const row = (id: string, more: Partial<Row> = {}): Row => ({ id, status: "received", units: [], told: [], index: 1, priority: "P1", received_at: "2026-12-01T00:00:00.000Z", lead: "ward/26704", ...more });

test("practice stands behind everything real, whatever its priority", () => {
  const rows = [row("a", { exercise: "x" }), row("b", { priority: "P4", received_at: "2026-12-01T01:00:00.000Z" })].sort(before);
  expect(rows.map((r) => r.id)).toEqual(["b", "a"]);
});

test("practice rings only at a desk that joined it; what is real rings everywhere", () => {
  expect(heard(row("a", { exercise: "x" }))).toBe(false);
  expect(heard(row("b"))).toBe(true);
  join("x", true);
  expect(heard(row("a", { exercise: "x" }))).toBe(true);
  join("x", false);
  expect(heard(row("a", { exercise: "x" }))).toBe(false);
});

test("practice colours no ward and is never overdue", () => {
  const late = { deadlines: [{ step: "claim", at: "2026-12-01T00:01:00.000Z" }] };
  const rows = [row("a", { exercise: "x", ...late }), row("b", { lead: "ward/27031", ...late })];
  expect([...byWard(rows).keys()]).toEqual(["27031"]);
  expect(missed(rows, Date.parse("2026-12-01T02:00:00.000Z")).map((m) => m.row.id)).toEqual(["b"]);
});
