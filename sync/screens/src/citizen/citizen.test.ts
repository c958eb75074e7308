import { describe, expect, test } from "vitest";
import { uuid } from "../lib/api";
import { codeOf, idOf } from "./code";
import { bearing, moved } from "./place";
import { lines } from "./questions";
import { latest, steps } from "./states";
import type { Kept } from "./store";

const kept = (more: Partial<Kept> = {}): Kept => ({ id: uuid(), category: "fire", body: { id: uuid(), category: "fire" }, made: 0, tries: 0, next: 0, ...more });

describe("a report's code", () => {
  test("any id comes back from its code, however it is written", () => {
    for (let i = 0; i < 500; i++) {
      const id = uuid();
      const code = codeOf(id);
      expect(idOf(code)).toBe(id);
      expect(idOf(code.toLowerCase().replaceAll("-", " "))).toBe(id);
      expect(idOf(code.replace(/0(?!$)/g, "O").replace(/1(?!$)/g, "l"))).toBe(id);
    }
  });
  test("a wrong or a swapped character is found", () => {
    const code = codeOf("018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f").replaceAll("-", "");
    for (let i = 0; i < code.length - 1; i++) {
      const other = code[i] === "7" ? "8" : "7";
      expect(idOf(code.slice(0, i) + other + code.slice(i + 1)), `${i}`).toBeUndefined();
      const swapped = code.slice(0, i) + code[i + 1] + code[i] + code.slice(i + 2);
      if (swapped !== code) expect(idOf(swapped), `${i} swapped`).toBeUndefined();
    }
    expect(idOf("")).toBeUndefined();
    expect(idOf("Z".repeat(27))).toBeUndefined();
  });
});

describe("states", () => {
  test("nothing is said before an answer", () => {
    expect(steps(kept()).filter((s) => s.done).map((s) => s.word)).toEqual(["s_kept"]);
    expect(latest(kept({ tries: 9 }))).toBe("s_kept");
  });
  test("a step that was passed over is left out, later ones stay", () => {
    expect(steps(kept({ sent: true, city: true })).map((s) => s.word)).toEqual(["s_kept", "s_sent", "s_city", "s_seen", "s_coming", "s_done"]);
    expect(steps(kept({ sent: true, ward: true })).map((s) => s.word)).toContain("s_city");
    expect(latest(kept({ sent: true, ward: true, city: true, seen: true, status: "closed" }))).toBe("s_done");
  });
});

test("answers are the officer's lines, in Vietnamese, and only those that were asked", () => {
  expect(lines("fire", { trapped: "yes", trapped_n: "3", smoke: "unknown" })).toEqual(["Mắc kẹt: có", "Số người mắc kẹt: 3", "Nhiều khói: không rõ"]);
  expect(lines("fire", { trapped: "no", trapped_n: "3" })).toEqual(["Mắc kẹt: không"]);
  expect(lines("crime", { trapped: "yes" })).toEqual([]);
});

test("a mark dragged 100 m to the north-east lies there", () => {
  const f = { lat: 10.72, lon: 106.73, accuracy: 10, at: 0 };
  const p = moved(f, 70.7, 70.7);
  const north = (p.lat - f.lat) * 111_320;
  const east = (p.lon - f.lon) * 111_320 * Math.cos((10.72 * Math.PI) / 180);
  expect(Math.hypot(north, east)).toBeCloseTo(100, 0);
  expect(bearing(70.7, 70.7)).toBe("ne");
  expect(bearing(0, -1)).toBe("s");
  expect(bearing(-1, 0)).toBe("west");
});
