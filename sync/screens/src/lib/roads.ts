// What of a tile of streets is drawn where, without any drawing: pure, so that it is tested as such.

export type Road = "highway" | "major" | "minor" | "path" | "rail";
const kinds: Record<Road, readonly string[]> = {
  highway: ["highway", "motorway", "motorway_link"],
  major: ["major_road", "trunk", "primary", "secondary", "tertiary"],
  minor: ["minor_road", "minor", "residential", "unclassified", "living_street", "service", "pedestrian", "busway", "other"],
  path: ["path", "track", "footway", "cycleway", "steps", "bridleway"],
  rail: ["rail", "light_rail", "subway", "tram", "transit"],
};
const roadBy = new Map(Object.entries(kinds).flatMap(([r, list]) => list.map((k) => [k, r as Road] as const)));

/** What kind of road it is by the words of the usual tile sets; undefined: it is not drawn (a ferry, a cable car). */
export const roadOf = (kind: string): Road | undefined => roadBy.get(kind) ?? roadBy.get(kind.replace(/_link$/, ""));

/** Width of a road, pixels, at zooms 12, 14, 16 and 18. */
const widths: Record<Road, readonly [number, number, number, number]> = { highway: [2, 3.5, 7, 14], major: [1.25, 2.5, 6, 12], minor: [0, 1, 3.5, 9], path: [0, 0, 1, 2], rail: [0.75, 1, 1.5, 2] };

/** How wide a road is at a zoom, pixels; 0: not drawn. */
export function widthOf(road: Road, zoom: number): number {
  if (zoom < 11 && road !== "highway") return 0;
  const w = widths[road];
  const at = Math.max(0, Math.min(3, (zoom - 12) / 2));
  const i = Math.min(2, Math.floor(at));
  return w[i]! + (w[i + 1]! - w[i]!) * (at - i);
}

/** Which of the file's tiles a drawn one of 512 pixels comes from, how often it is enlarged, and which part of it is seen. */
export function nativeTile(at: { x: number; y: number; z: number }, most: number): { z: number; x: number; y: number; times: number; left: number; top: number } {
  const z = Math.min(at.z - 1, most);
  const times = 2 ** (at.z - 1 - z);
  const [x, y] = [Math.floor(at.x / times), Math.floor(at.y / times)];
  return { z, x, y, times, left: at.x - x * times, top: at.y - y * times };
}

/** The part of a line that lies within a square, with room for letters at its edge (Liang and Barsky 1984). */
export function within(ax: number, ay: number, bx: number, by: number, size: number, edge = 10): [number, number, number, number] | undefined {
  const [dx, dy] = [bx - ax, by - ay];
  let [from, to] = [0, 1];
  for (const [p, q] of [[-dx, ax - edge], [dx, size - edge - ax], [-dy, ay - edge], [dy, size - edge - ay]] as const) {
    if (p === 0) {
      if (q < 0) return undefined;
    } else if (p < 0) from = Math.max(from, q / p);
    else to = Math.min(to, q / p);
  }
  return from < to ? [ax + from * dx, ay + from * dy, ax + to * dx, ay + to * dy] : undefined;
}

/** Where a name of that width stands along lines, in the middle of the longest straight part within a square whose corner is
    at left and top; undefined: it has no room. */
export function place(lines: readonly (readonly { x: number; y: number }[])[], scale: number, size: number, wide: number, left = 0, top = 0): { x: number; y: number; turn: number } | undefined {
  let best: { x: number; y: number; turn: number } | undefined;
  let most = wide + 8;
  for (const line of lines)
    for (let i = 1; i < line.length; i++) {
      const cut = within(line[i - 1]!.x * scale - left, line[i - 1]!.y * scale - top, line[i]!.x * scale - left, line[i]!.y * scale - top, size);
      if (!cut) continue;
      const [ax, ay, bx, by] = cut;
      const long = Math.hypot(bx - ax, by - ay);
      if (long < most) continue;
      most = long;
      let turn = Math.atan2(by - ay, bx - ax);
      if (turn > Math.PI / 2) turn -= Math.PI; // never upside down
      else if (turn <= -Math.PI / 2) turn += Math.PI;
      best = { x: (ax + bx) / 2, y: (ay + by) / 2, turn };
    }
  return best;
}
