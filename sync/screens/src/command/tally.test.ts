import { expect, test } from "vitest";
import { csv } from "./figures";
import { bounds, dayOf, sheet, type StepTally, type TallyLine } from "./tally";

const at = Date.parse("2026-12-01T18:30:00Z"); // 01:30 of the second in the city

test("days are the city's, whatever the browser's zone", () => {
  expect(dayOf(at)).toBe("2026-12-02");
  expect(bounds({ kind: "today", from: "", to: "" }, at)).toEqual({ from: "2026-12-01T17:00:00.000Z", to: "2026-12-02T17:00:00.000Z" });
  expect(bounds({ kind: "7", from: "", to: "" }, at)?.from).toBe("2026-11-25T17:00:00.000Z");
  expect(bounds({ kind: "30", from: "", to: "" }, at)?.from).toBe("2026-11-02T17:00:00.000Z");
  expect(bounds({ kind: "span", from: "2026-11-01", to: "2026-11-01" }, at)).toEqual({ from: "2026-10-31T17:00:00.000Z", to: "2026-11-01T17:00:00.000Z" });
  for (const [from, to] of [["2026-11-02", "2026-11-01"], ["", "2026-11-01"], ["2025-01-01", "2026-11-01"]] as const) expect(bounds({ kind: "span", from, to }, at)).toBeNull();
});

test("the sheet says its time, its units and every column, and has as many values as columns", () => {
  const step = (s: StepTally["step"], median_s: number | null): StepTally => ({ step: s, done: median_s === null ? 0 : 3, due: 4, late: 1, median_s, p90_s: median_s });
  const line = (key: string): TallyLine => ({ key, count: 5, open: 1, verdicts: 4, false: 2, steps: [step("claim", 40), step("verify", null), step("dispatch", 90), step("resolve", 900)] });
  const rows = sheet({ from: "2026-11-30T17:00:00.000Z", to: "2026-12-01T17:00:00.000Z", cut: false, total: line(""), by_lead: [line("ward/26704")], by_category: [line("fire")], by_hour: [line("07")] },
    { lead: (k) => k, category: (k) => k, hour: (k) => k + ":00", step: (x) => x, words: (k) => k });
  expect(rows[1]).toEqual(["from", "2026-12-01 00:00"]);
  const head = rows[5]!;
  expect(head).toHaveLength(26);
  for (const r of rows.slice(6)) expect(r).toHaveLength(26);
  expect(rows[6]!.slice(0, 16)).toEqual(["all", "", 5, 1, 4, 2, 3, 4, 1, 40, 40, 0, 4, 1, "", ""]);
  expect(csv(rows).split("\r\n")[5]).toContain("claim: median_s,claim: p90_s");
});
