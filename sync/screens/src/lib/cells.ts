// Where no boundaries were imported, each ward is drawn as the area that is nearer
// to its centre than to any other (Voronoi), and said to be that.

/** Longitude and latitude, degrees. */
export type LonLat = readonly [number, number];

/** The cell of each site within a margin around all of them, degrees. At most a few hundred sites. */
export function cells(sites: readonly LonLat[], margin = 0.03): LonLat[][] {
  let [w, s, e, n] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of sites) {
    w = Math.min(w, x - margin);
    e = Math.max(e, x + margin);
    s = Math.min(s, y - margin);
    n = Math.max(n, y + margin);
  }
  return sites.map((a) => {
    let cell: LonLat[] = [[w, s], [e, s], [e, n], [w, n]];
    for (const b of sites) if (b[0] !== a[0] || b[1] !== a[1]) cell = nearer(cell, a, b);
    return cell;
  });
}

/** A line between two places that areas share, drawn once however many it bounds. */
export interface Edge { line: readonly [LonLat, LonLat]; /** Which areas it bounds, as places in the list. */ of: number[] }

/** How exactly two ends must agree to be the same place, of a degree: a metre. */
const grain = 1e-5;

/** The edges of polygons, each once. Two neighbours' dashes, one over the other, would fill each other's gaps. */
export function edges(polygons: readonly (readonly LonLat[])[]): Edge[] {
  const at = (p: LonLat): string => `${Math.round(p[0] / grain)} ${Math.round(p[1] / grain)}`;
  const all = new Map<string, Edge>();
  polygons.forEach((ring, n) => ring.forEach((p, i) => {
    const q = ring[(i + 1) % ring.length]!;
    const ends = [at(p), at(q)].sort();
    if (ends[0] === ends[1]) return;
    const old = all.get(ends.join());
    if (old) old.of.push(n);
    else all.set(ends.join(), { line: [p, q], of: [n] });
  }));
  return [...all.values()];
}

/** The part of a convex polygon that is nearer to a than to b (Sutherland and Hodgman 1974, one edge). */
function nearer(cell: readonly LonLat[], a: LonLat, b: LonLat): LonLat[] {
  const [nx, ny] = [b[0] - a[0], b[1] - a[1]];
  const c = (nx * (a[0] + b[0]) + ny * (a[1] + b[1])) / 2;
  const side = (p: LonLat): number => nx * p[0] + ny * p[1] - c;
  const out: LonLat[] = [];
  for (let i = 0; i < cell.length; i++) {
    const p = cell[i]!;
    const q = cell[(i + 1) % cell.length]!;
    const sp = side(p);
    const sq = side(q);
    if (sp <= 0) out.push(p);
    if ((sp < 0 && sq > 0) || (sp > 0 && sq < 0)) {
      const t = sp / (sp - sq);
      out.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
    }
  }
  return out;
}
