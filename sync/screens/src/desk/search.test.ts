import { expect, test } from "vitest";
import { question, type Narrow } from "./search";

const all: Narrow = { category: "", priority: "", status: "", days: 0 };
const now = Date.parse("2026-12-01T00:00:00Z");

test("the box asks from two letters on, with its narrowing", () => {
  expect(question("c", all, now)).toBeNull();
  expect(question("  ", all, now)).toBeNull();
  expect(question(" chay nha ", all, now)).toBe("q=chay+nha");
  expect(question("Cháy", { category: "fire", priority: "P1", status: "open", days: 7 }, now)).toBe("q=Ch%C3%A1y&category=fire&priority=P1&status=open&from=2026-11-24T00%3A00%3A00.000Z");
});

test("a ward that the map put into the box narrows, and asks nothing alone", () => {
  expect(question("ward/26704", all, now)).toBeNull();
  expect(question("ward/26704 cháy", all, now)).toBe("q=ch%C3%A1y&ward=26704");
  expect(question("cháy ward/26704", all, now)).toBe("q=ch%C3%A1y&ward=26704");
  expect(question("forward/26704", all, now)).toBe("q=forward%2F26704");
});
