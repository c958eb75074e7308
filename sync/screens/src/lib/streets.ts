// Streets and water under the wards, drawn by hand on canvas tiles from vector tiles that
// the node serves out of the operator's file. This file is loaded only when there is one.
import { VectorTile, type VectorTileFeature, type VectorTileLayer } from "@mapbox/vector-tile";
import L from "leaflet";
import { PbfReader } from "pbf";
import { colour } from "./map";
import { nativeTile, place, roadOf, widthOf, type Road } from "./roads";
import { askStreets, brokenTiles, type Streets } from "./tiles";

/** Areas of colour, the lower first, by the names that the usual tile sets give their layers. */
const areas: readonly { layers: readonly string[]; ink: string; kinds?: readonly string[] }[] = [
  { layers: ["landuse", "landcover", "land"], ink: "--map-green", kinds: ["park", "forest", "wood", "grass", "garden", "cemetery", "nature_reserve", "recreation_ground", "pitch"] },
  { layers: ["water", "water_polygons", "ocean"], ink: "--map-water" },
  { layers: ["buildings", "building"], ink: "--map-building" },
];
/** Lines of water. */
const streams = ["waterway", "water_lines", "water"];
const roads = ["roads", "transportation", "streets"];
/** Where names of streets stand; some sets keep them apart from the streets. */
const named = ["roads", "transportation_name", "street_labels", "streets"];
interface Drawn { ctx: CanvasRenderingContext2D; scale: number; zoom: number }

const kindOf = (f: VectorTileFeature): string => String(f.properties["kind"] ?? f.properties["class"] ?? "");

function trace(ctx: CanvasRenderingContext2D, f: VectorTileFeature): void {
  for (const line of f.loadGeometry()) line.forEach((p, i) => (i ? ctx.lineTo(p.x, p.y) : ctx.moveTo(p.x, p.y)));
}

const each = (l: VectorTileLayer | undefined, f: (x: VectorTileFeature) => void): void => {
  for (let i = 0; i < (l?.length ?? 0); i++) f(l!.feature(i));
};

function paint(d: Drawn, tile: VectorTile): void {
  const { ctx, scale, zoom } = d;
  for (const a of areas) {
    if (a.ink === "--map-building" && zoom < 16) continue;
    ctx.fillStyle = colour(a.ink);
    for (const name of a.layers) {
      ctx.beginPath();
      each(tile.layers[name], (f) => { if (f.type === 3 && (!a.kinds || a.kinds.includes(kindOf(f)))) trace(ctx, f); });
      ctx.fill();
    }
  }
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.strokeStyle = colour("--map-water");
  ctx.lineWidth = 1.5 / scale;
  for (const name of streams) {
    ctx.beginPath();
    each(tile.layers[name], (f) => { if (f.type === 2) trace(ctx, f); });
    ctx.stroke();
  }
  const by = new Map<Road, VectorTileFeature[]>();
  for (const name of roads) each(tile.layers[name], (f) => {
    const r = f.type === 2 ? roadOf(kindOf(f)) : undefined;
    if (!r) return;
    const list = by.get(r);
    if (list) list.push(f);
    else by.set(r, [f]);
  });
  for (const r of ["path", "rail", "minor", "major", "highway"] as const) {
    const wide = widthOf(r, zoom);
    if (!wide || !by.has(r)) continue;
    ctx.strokeStyle = colour(r === "major" || r === "highway" ? "--map-main" : "--map-street");
    ctx.lineWidth = wide / scale;
    ctx.setLineDash(r === "path" || r === "rail" ? [4 / scale, 3 / scale] : []);
    ctx.beginPath();
    for (const f of by.get(r)!) trace(ctx, f);
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

/** How many names stand, along the longest straight part of each street within this square of the tile, where the whole name has room and is over no other. */
function write(d: Drawn, tile: VectorTile, left: number, top: number): number {
  const { ctx, scale, zoom } = d;
  if (zoom < 14) return 0;
  const taken: { x: number; y: number; r: number }[] = [];
  const seen = new Set<string>();
  ctx.font = `600 12px ${colour("--font")}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = colour("--map-name");
  ctx.strokeStyle = colour("--background");
  ctx.lineWidth = 3;
  for (const layer of named) each(tile.layers[layer], (f) => {
    const name = String(f.properties["name:vi"] ?? f.properties["name"] ?? "");
    if (!name || f.type !== 2 || seen.has(name)) return;
    const road = roadOf(kindOf(f));
    if (!road || (zoom < 15 && road !== "major" && road !== "highway") || (zoom < 17 && road === "path")) return;
    const wide = ctx.measureText(name).width;
    const at = place(f.loadGeometry(), scale, edge, wide, left, top);
    if (!at || taken.some((o) => Math.hypot(o.x - at.x, o.y - at.y) < o.r + wide / 2)) return;
    taken.push({ x: at.x, y: at.y, r: wide / 2 + 8 });
    seen.add(name);
    ctx.save();
    ctx.translate(Math.round(at.x), Math.round(at.y)); // level letters are soft between two points
    ctx.rotate(at.turn);
    ctx.strokeText(name, 0, 0);
    ctx.fillText(name, 0, 0);
    ctx.restore();
  });
  return seen.size;
}

/** How many unpacked tiles are kept for a change of zoom or theme. */
const kept = 48;
/** Edge of a drawn tile, pixels: one of the file's tiles of a zoom less. */
const edge = 512;

/** The layer, under the boundaries and everything else that stands on the map. */
export class StreetLayer extends L.GridLayer {
  private readonly tiles = new Map<string, Promise<VectorTile | null>>();

  constructor(private readonly about: Streets, pane: string) {
    const [w, s, e, n] = about.bounds ?? [-180, -85, 180, 85];
    super({ pane, tileSize: edge, updateWhenZooming: false, keepBuffer: 1, minZoom: about.min_zoom + 1, bounds: [[s, w], [n, e]] });
  }

  protected override createTile(at: L.Coords, done: L.DoneCallback): HTMLElement {
    const c = document.createElement("canvas");
    void this.draw(c, at).then(() => done(undefined, c), (e: unknown) => done(e as Error, c));
    return c;
  }

  private async draw(c: HTMLCanvasElement, at: L.Coords): Promise<void> {
    const dense = Math.min(devicePixelRatio || 1, 2);
    c.width = c.height = edge * dense;
    const from = nativeTile(at, this.about.max_zoom);
    const t = await this.tile(from.z, from.x, from.y);
    const ctx = c.getContext("2d");
    if (!t || !ctx) return;
    const scale = (edge * from.times) / (Object.values(t.layers)[0]?.extent ?? 4096);
    try {
      ctx.scale(dense, dense);
      ctx.save();
      ctx.translate(-from.left * edge, -from.top * edge);
      ctx.scale(scale, scale);
      paint({ ctx, scale, zoom: at.z }, t);
      ctx.restore();
      c.dataset["names"] = String(write({ ctx, scale, zoom: at.z }, t, from.left * edge, from.top * edge));
      c.dataset["street"] = "drawn";
    } catch (e) { // its geometry is unpacked only now
      brokenTiles.value = true;
      throw e;
    }
  }

  private tile(z: number, x: number, y: number): Promise<VectorTile | null> {
    const path = `/api/v1/tiles/${this.about.version}/${z}/${x}/${y}`;
    const old = this.tiles.get(path);
    if (old) return old;
    if (this.tiles.size >= kept) this.tiles.delete(this.tiles.keys().next().value!);
    const t = read(path);
    this.tiles.set(path, t);
    t.catch(() => this.tiles.delete(path)); // asked for again when it is needed again
    return t;
  }
}

async function read(path: string): Promise<VectorTile | null> {
  const r = await fetch(path, { signal: AbortSignal.timeout(15_000) });
  if (r.status === 204) return null;
  if (r.status === 404) void askStreets(); // the file is another one by now
  if (r.status === 422) brokenTiles.value = true;
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  try {
    return new VectorTile(new PbfReader(await r.arrayBuffer()));
  } catch (e) {
    brokenTiles.value = true;
    throw e;
  }
}
