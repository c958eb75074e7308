import { expect, test } from "vitest";
import { nativeTile, place, roadOf, widthOf, within } from "./roads";

test("a drawn tile comes from the file's tile of a zoom less, or from a part of its deepest", () => {
  expect(nativeTile({ x: 5, y: 3, z: 12 }, 14)).toEqual({ z: 11, x: 5, y: 3, times: 1, left: 0, top: 0 });
  expect(nativeTile({ x: 4 * 7 + 3, y: 4 * 9 + 1, z: 17 }, 14)).toEqual({ z: 14, x: 7, y: 9, times: 4, left: 3, top: 1 });
});

test("streets are known by the words of the usual tile sets, and what is no street is not drawn", () => {
  expect(["major_road", "secondary", "primary_link", "residential", "footway", "motorway", "rail"].map(roadOf)).toEqual(["major", "major", "major", "minor", "path", "highway", "rail"]);
  expect(["ferry", "", "aerialway"].map(roadOf)).toEqual([undefined, undefined, undefined]);
});

test("a street grows with the zoom and never shrinks; the small ones are not drawn from afar", () => {
  for (const r of ["highway", "major", "minor", "path", "rail"] as const)
    for (let z = 8; z < 22; z++) expect(widthOf(r, z + 1)).toBeGreaterThanOrEqual(widthOf(r, z));
  expect([widthOf("minor", 10), widthOf("minor", 12), widthOf("highway", 10)]).toEqual([0, 0, 2]);
});

test("a name stands on the longest straight part that is seen, never upside down, and nowhere without room", () => {
  const line = [{ x: 400, y: 250 }, { x: 100, y: 250 }, { x: 100, y: 240 }];
  expect(place([line], 1, 512, 100)).toEqual({ x: 250, y: 250, turn: 0 });
  expect(place([line], 1, 512, 300)).toBeUndefined();
  expect(place([[{ x: 0, y: 600 }, { x: 2000, y: 600 }]], 1, 512, 100, 512, 512)).toEqual({ x: 256, y: 88, turn: 0 });
  expect(Math.abs(place([[{ x: 50, y: 400 }, { x: 50, y: 100 }]], 1, 512, 100)!.turn)).toBe(Math.PI / 2);
});

test("a line is cut to the square, and one beside it is nothing", () => {
  expect(within(-100, 50, 600, 50, 512)).toEqual([10, 50, 502, 50]);
  expect(within(-100, 5, 600, 5, 512)).toBeUndefined();
  expect(within(0, 600, 512, 700, 512)).toBeUndefined();
});
