import { describe, expect, test } from "vitest";
import { left, textIn, type Info } from "./alerts";

const info = (language: string): Info => ({ language, event: language, categories: [], urgency: "", severity: "", certainty: "", areas: null });

describe("warnings", () => {
  test("are read in the reader's language, else in the first", () => {
    const list = [info("vi-VN"), info("en")];
    expect(textIn(list, "en")?.event).toBe("en");
    expect(textIn(list, "vi")?.event).toBe("vi-VN");
    expect(textIn(list, "km")?.event).toBe("vi-VN");
    expect(textIn([], "vi")).toBeUndefined();
  });
  test("end by the node's clock, whatever this phone's says", () => {
    const x = { expires: "2026-12-01T10:00:00.000Z" };
    const heard = { at: "2026-12-01T09:00:00.000Z", here: 5_000 }; // a phone in 1970
    expect(left(x, heard, 5_000)).toBe(3_600_000);
    expect(left(x, heard, 5_000 + 3_600_000)).toBe(0);
    expect(left(x, heard, 1_000)).toBe(3_600_000); // its clock was set back: not longer than it was
  });
});
