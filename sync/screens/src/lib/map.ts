// The map of every desk: Leaflet on canvas, the wards themselves as the base. There is no
// tile server, so nothing of it can go grey when the city is cut off. Where the node has a
// file of streets they lie under the boundaries; without it, or when it breaks, nothing else changes.
import L from "leaflet";
import "leaflet/dist/leaflet.css";
import { effect, signal } from "@preact/signals";
import { get, type Place, type Priority } from "./api";
import { cells, edges, type LonLat } from "./cells";
import { theme } from "./theme";
import { brokenTiles, followStreets, streets, type Streets } from "./tiles";
import { w as say } from "./words";

interface WardFeature {
  id: string;
  properties: { code: string; name: string; centre: [number, number] };
  geometry: { type: "Point"; coordinates: [number, number] } | { type: "MultiPolygon"; coordinates: [number, number][][][] };
}
export interface Ward { code: string; name: string; centre: LonLat; /** Rings as Leaflet takes them: latitude first. */ rings: [number, number][][][]; exact: boolean }

/** Every ward; empty until read. */
export const wards = signal<readonly Ward[]>([]);

/** Reads the wards; again after an import. Throws a Problem. */
export async function readWards(): Promise<void> {
  const { features } = await get<{ features: WardFeature[] }>("/api/v1/wards");
  const computed = cells(features.map((f) => f.properties.centre));
  const turn = (r: readonly LonLat[]): [number, number][] => r.map(([lon, lat]) => [lat, lon]);
  wards.value = features.map((f, i) => ({
    code: f.properties.code, name: f.properties.name, centre: f.properties.centre, exact: f.geometry.type === "MultiPolygon",
    rings: f.geometry.type === "MultiPolygon" ? f.geometry.coordinates.map((p) => p.map(turn)) : [[turn(computed[i]!)]],
  }));
}

/** A custom property's value now; canvases need colours as such. Asked once per theme: thousands of marks are drawn. */
export function colour(name: string): string {
  if (coloursOf !== theme.peek()) {
    colours.clear();
    coloursOf = theme.peek();
  }
  let c = colours.get(name);
  if (c === undefined) colours.set(name, (c = getComputedStyle(document.documentElement).getPropertyValue(name).trim()));
  return c;
}
const colours = new Map<string, string>();
let coloursOf = "";

export interface Mark { id: string; place: Place; priority: Priority | undefined; /** Not known to be the present. */ stale: boolean; chosen: boolean; /** Of an exercise: an empty, dashed shape. */ practice?: boolean; title: () => string; /** Stands beside it all the time. */ note?: (() => string) | undefined }

/** From this width on, pixels, a map is a wall's, and its marks are larger. */
const large = 1800;

/** A mark of shape and colour by priority, drawn by hand on the canvas. */
const PriorityMarker = L.CircleMarker.extend({
  _updatePath(this: L.CircleMarker & { _renderer: { _ctx: CanvasRenderingContext2D }; _map: L.Map; _point: L.Point; options: { mark: Mark } }) {
    const ctx = this._renderer._ctx;
    const { x, y } = this._point;
    const m = this.options.mark;
    const wide = this._map.getSize().x, big = wide > large ? wide / 800 : 1;
    const r = (m.chosen ? 11 : 8) * big;
    ctx.save();
    ctx.beginPath();
    if (m.priority === "P1") ctx.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
    else if (m.priority === "P2") { ctx.moveTo(x, y - r); ctx.lineTo(x + r, y + r * 0.85); ctx.lineTo(x - r, y + r * 0.85); ctx.closePath(); }
    else if (m.priority === "P3") { ctx.moveTo(x, y - r * 1.1); ctx.lineTo(x + r * 1.1, y); ctx.lineTo(x, y + r * 1.1); ctx.lineTo(x - r * 1.1, y); ctx.closePath(); }
    else ctx.arc(x, y, r * 0.95, 0, 2 * Math.PI);
    ctx.fillStyle = m.stale || !m.priority ? colour("--nodata") : colour("--" + m.priority.toLowerCase());
    ctx.setLineDash(m.stale ? [3, 3] : []); // a dashed ward before it must not make it look old
    ctx.globalAlpha = m.stale ? 0.5 : 1;
    // A ward has the colour of its worst incident: without a rim a P1 would vanish in a P1 ward.
    if (!m.practice) {
      ctx.lineWidth = 6 * big;
      ctx.strokeStyle = colour("--background");
      ctx.stroke();
    }
    if (m.practice) ctx.setLineDash([4, 3]);
    else ctx.fill();
    ctx.globalAlpha = 1;
    ctx.lineWidth = (m.chosen ? 3 : m.practice ? 2.5 : 1.5) * big;
    ctx.strokeStyle = m.chosen ? colour("--focus") : colour("--text");
    ctx.stroke();
    ctx.restore();
  },
}) as unknown as new (at: L.LatLngExpression, o: L.CircleMarkerOptions & { mark: Mark }) => L.CircleMarker;

export interface MapOptions {
  /** Colour and label of a ward; undefined: plain. */
  fill?: (w: Ward) => { colour?: string; hatched?: boolean; title?: string; /** Outlined: it is this desk's own. */ own?: boolean } | undefined;
  onMark?: (id: string) => void;
  onWard?: (w: Ward) => void;
  /** Somebody pressed a place on the map. */
  onPoint?: (at: LonLat) => void;
  /** The map was moved by hand; it moves itself no more until fit(). */
  onMoved?: () => void;
}

/** From this many marks on the map is drawn at most once in `pace` milliseconds, and accuracy circles for the chosen one alone. */
const many = 400, pace = 1000;

/** From this zoom on streets have names (streets.ts). */
const namedFrom = 14;

/** A map in an element. It fits itself until somebody moves it. */
export class CityMap {
  readonly map: L.Map;
  private readonly canvas = L.canvas({ padding: 0.3 });
  /** The wards' colours, under the streets; without streets one canvas has all. */
  private under: L.Canvas | null = null;
  private streets: L.GridLayer | null = null;
  private drawnWards: readonly Ward[] = [];
  private readonly note = document.createElement("p");
  private readonly ends: (() => void)[] = [];
  private closed = false;
  private readonly base = L.layerGroup();
  private readonly over = L.layerGroup();
  private readonly help = L.layerGroup();
  private readonly area = L.layerGroup();
  private wanted: () => readonly Mark[] = () => [];
  private readonly drawn = new Map<string, { key: string; layer: L.LayerGroup; mark: Mark }>();
  private drawnAt = 0;
  private later: ReturnType<typeof setTimeout> | undefined;
  private byHand = false;
  private bounds: L.LatLngBounds | null = null;
  private readonly resize: ResizeObserver;

  constructor(el: HTMLElement, private readonly o: MapOptions = {}) {
    this.map = L.map(el, { renderer: this.canvas, preferCanvas: true, attributionControl: false, zoomControl: false, zoomSnap: 0.25, keyboard: true, fadeAnimation: false, zoomAnimation: false });
    this.map.setView([10.77, 106.69], 11);
    this.base.addTo(this.map);
    this.help.addTo(this.map);
    this.over.addTo(this.map);
    this.area.addTo(this.map);
    if (o.onPoint) this.map.on("click", (e) => o.onPoint!([e.latlng.lng, e.latlng.lat]));
    const hand = (): void => {
      if (!this.byHand) o.onMoved?.();
      this.byHand = true;
    };
    this.map.on("dragstart", hand);
    el.addEventListener("wheel", hand, { passive: true });
    this.resize = new ResizeObserver(() => {
      this.map.invalidateSize({ animate: false });
      if (!this.byHand) this.apply();
    });
    this.resize.observe(el);
    this.note.className = "mapnote small";
    this.note.setAttribute("role", "note");
    el.append(this.note);
    let had: Streets | null = null;
    this.ends.push(followStreets(), effect(() => {
      void theme.value;
      const s = streets.value;
      this.tell(s);
      if (s === had) this.streets?.redraw();
      else void this.show((had = s));
    }));
  }

  /** What must be said of the streets, in a corner: that they are missing, or whose they are. */
  private tell(s: Streets | null): void {
    const broken = s?.state === "broken";
    this.note.textContent = broken ? say("streets_broken") : s?.state !== "ready" ? "" : [brokenTiles.value ? say("streets_some") : "", s.credit ?? ""].filter(Boolean).join(" · ");
    this.note.title = broken ? (s.problem ?? "") : "";
    this.note.hidden = this.note.textContent === "";
  }

  private async show(s: Streets | null): Promise<void> {
    let layer: L.GridLayer | null = null;
    if (s?.state === "ready") {
      try {
        const { StreetLayer } = await import("./streets");
        if (this.closed || streets.peek() !== s) return;
        for (const [name, z] of [["wards", "210"], ["streets", "220"]] as const) if (!this.map.getPane(name)) this.map.createPane(name).style.zIndex = z;
        layer = new StreetLayer(s, "streets");
      } catch {
        return; // the code did not come; the boundaries stand, and the next answer tries again
      }
    }
    this.streets?.remove();
    this.streets = layer?.addTo(this.map) ?? null;
    this.map.options.zoomSnap = layer ? 1 : 0.25; // letters on a tile are sharp at whole steps alone
    this.under = layer ? (this.under ?? L.canvas({ padding: 0.3, pane: "wards" })) : null;
    this.drawWards(this.drawnWards);
    if (!this.byHand) this.apply();
  }

  /** Draws the wards; call again when colours or states change. */
  drawWards(list: readonly Ward[]): void {
    this.drawnWards = list;
    this.base.clearLayers();
    const own = (w: Ward): number => Number(this.o.fill?.(w)?.own ?? false);
    for (const w of [...list].sort((a, b) => own(a) - own(b))) { // its outline lies over its neighbours'
      const f = this.o.fill?.(w);
      const plain = f?.colour ?? colour("--map-ward");
      const filling = { fillColor: f?.hatched ? this.hatch(plain) : plain, fillOpacity: 0.9 };
      if (this.under) L.polygon(w.rings, { renderer: this.under, stroke: false, interactive: false, ...filling }).addTo(this.base);
      const p = L.polygon(w.rings, {
        renderer: this.canvas, stroke: w.exact, color: colour(f?.own ? "--text" : "--map-line"), weight: (f?.own ? 2.5 : this.under ? 2 : 1) * this.big(), ...(this.under ? { fillOpacity: 0 } : filling),
      });
      p.bindTooltip(() => this.o.fill?.(w)?.title ?? w.name, { sticky: true });
      if (this.o.onWard) p.on("click", () => this.o.onWard!(w));
      p.addTo(this.base);
      if (f?.hatched) L.marker(p.getBounds().getCenter(), { icon: L.divIcon({ className: "silentmark", html: "?" }), interactive: false, keyboard: false }).addTo(this.base);
    }
    this.drawCells(list.filter((w) => !w.exact));
  }

  /** The edges of computed cells: dashed, each once. */
  private drawCells(list: readonly Ward[]): void {
    const own = list.findIndex((w) => this.o.fill?.(w)?.own);
    const all = edges(list.map((w) => w.rings[0]![0]!));
    for (const mine of [false, true])
      L.polyline(all.filter((e) => e.of.includes(own) === mine).map((e) => e.line.map((p): L.LatLngTuple => [p[0], p[1]])), {
        renderer: this.canvas, interactive: false, color: colour(mine ? "--text" : "--map-line"), weight: (mine ? 2.5 : 1.25) * this.big(), dashArray: this.big() > 1 ? "8 8" : "4 4",
      }).addTo(this.base);
  }

  /** How much thicker a wall's lines are. */
  private big(): number {
    return this.map.getSize().x > large ? 2 : 1;
  }

  /** Stripes over a colour: of what lies there nobody knows the present. Leaflet hands it to the canvas as it is. */
  private hatch(under: string): string {
    const side = 12 * this.big();
    const c = document.createElement("canvas");
    c.width = c.height = side;
    const ctx = c.getContext("2d")!;
    ctx.fillStyle = under;
    ctx.fillRect(0, 0, side, side);
    ctx.strokeStyle = colour("--nodata");
    ctx.lineWidth = side / 4;
    ctx.beginPath();
    for (const x of [-side, 0, side]) ctx.moveTo(x - side / 2, side * 1.5), ctx.lineTo(x + side * 1.5, -side / 2);
    ctx.stroke();
    return ctx.createPattern(c, "repeat") as unknown as string;
  }

  /** Draws incidents in their order, the last on top, each with the circle of its accuracy; with many of them at most once a second, and only what looks different. */
  drawMarks(count: number, marks: () => readonly Mark[]): void {
    this.wanted = marks;
    const wait = count > many ? this.drawnAt + pace - performance.now() : 0;
    if (wait > 0) this.later ??= setTimeout(() => this.drawNow(), wait);
    else this.drawNow();
  }

  private drawNow(): void {
    clearTimeout(this.later);
    this.later = undefined;
    this.drawnAt = performance.now();
    const look = theme.peek();
    const marks = this.wanted();
    const few = marks.length <= many;
    const keyOf = (m: Mark): string => `${m.place.lat} ${m.place.lon} ${m.place.accuracy_m} ${m.priority} ${m.stale} ${m.chosen} ${m.practice} ${m.note?.() ?? ""} ${look}`;
    const ids = few ? [...this.drawn.keys()] : null; // a few stand in the order given: the urgent and the chosen one on top
    if (marks.length === this.drawn.size && marks.every((m, i) => this.drawn.get(m.id)?.key === keyOf(m) && (!ids || ids[i] === m.id))) {
      for (const m of marks) this.drawn.get(m.id)!.mark = m; // only what a title says changed
      return;
    }
    if (few) {
      this.over.clearLayers();
      this.drawn.clear();
    }
    const here = new Set<string>();
    for (const m of marks) {
      here.add(m.id);
      const key = keyOf(m);
      const old = this.drawn.get(m.id);
      if (old?.key === key) {
        old.mark = m;
        continue;
      }
      if (old) this.over.removeLayer(old.layer);
      const layer = this.markOf(m, few);
      layer.addTo(this.over);
      this.drawn.set(m.id, { key, layer, mark: m });
    }
    if (!few) for (const m of marks) if (m.chosen || m.priority === "P1") this.drawn.get(m.id)?.layer.eachLayer((x) => (x as L.Path).bringToFront());
    for (const [id, d] of this.drawn) {
      if (here.has(id)) continue;
      this.over.removeLayer(d.layer);
      this.drawn.delete(id);
    }
  }

  private markOf(m: Mark, few: boolean): L.LayerGroup {
    const g = L.layerGroup();
    const at: L.LatLngTuple = [m.place.lat, m.place.lon];
    if (m.place.accuracy_m > 0 && (m.chosen || few))
      L.circle(at, { renderer: this.canvas, radius: m.place.accuracy_m, color: colour("--dim"), weight: 1, fillOpacity: 0.08, interactive: false, ...(m.chosen ? {} : { dashArray: "2 4" }) }).addTo(g);
    const k = new PriorityMarker(at, { renderer: this.canvas, radius: 11, mark: m });
    if (m.note) k.bindTooltip(m.note(), { permanent: true, direction: "bottom", offset: [0, 12], className: "marknote" });
    else k.bindTooltip(() => (this.drawn.get(m.id)?.mark ?? m).title());
    if (this.o.onMark) k.on("click", () => this.o.onMark!(m.id));
    return k.addTo(g), g;
  }

  /** Draws places of help: small rings that are no incident. */
  drawHelp(points: readonly { at: LonLat; title: string }[]): void {
    this.help.clearLayers();
    for (const p of points) L.circleMarker([p.at[1], p.at[0]], { renderer: this.canvas, radius: 5, weight: 2.5, color: colour("--text"), fillColor: colour("--background"), fillOpacity: 1 }).bindTooltip(p.title).addTo(this.help);
  }

  /** Draws a line that somebody is drawing; closed once it has three points. */
  drawArea(line: readonly LonLat[]): void {
    this.area.clearLayers();
    const at = line.map(([lon, lat]): L.LatLngTuple => [lat, lon]);
    const o = { renderer: this.canvas, color: colour("--text"), weight: 3, interactive: false };
    if (at.length > 2) L.polygon(at, { ...o, fillColor: colour("--text"), fillOpacity: 0.2 }).addTo(this.area);
    else if (at.length > 1) L.polyline(at, o).addTo(this.area);
    for (const x of at) L.circleMarker(x, { ...o, radius: 5 }).addTo(this.area);
  }

  /** Where the map should look while nobody has moved it. */
  aim(points: readonly LonLat[]): void {
    const next = points.length ? L.latLngBounds(points.map(([lon, lat]) => [lat, lon])) : null;
    if (next && this.bounds?.equals(next)) return; // fitting to the same draws everything anew
    this.bounds = next;
    if (!this.byHand) this.apply();
  }

  /** Fits again, and from now on by itself. */
  fit(): void {
    this.byHand = false;
    this.apply();
  }

  zoom(by: 1 | -1): void {
    this.byHand = true;
    this.o.onMoved?.();
    const z = this.map.getZoom(), step = this.map.options.zoomSnap === 1;
    const to = step ? (by > 0 ? Math.floor(z) : Math.ceil(z)) + by : z + by;
    // Closer means closer to what was chosen, which would otherwise leave the picture.
    const on = by > 0 ? this.wanted().find((m) => m.chosen)?.place : undefined;
    this.map.setView(on ? [on.lat, on.lon] : this.map.getCenter(), to, { animate: false });
  }

  close(): void {
    this.closed = true;
    for (const end of this.ends) end();
    clearTimeout(this.later);
    this.resize.disconnect();
    this.map.remove();
  }

  private apply(): void {
    if (!this.bounds) return;
    // Where no street has a name yet nothing can be soft, and the map may fill its place.
    const o = this.map.options, whole = o.zoomSnap === 1;
    const [corner, other] = [L.point(16, 16), L.point(16, 44)]; // a mark's note stands below it
    o.zoomSnap = 0.25;
    const best = Math.min(16, this.map.getBoundsZoom(this.bounds, false, corner.add(other)));
    const at = whole && best >= namedFrom - 0.5 ? Math.floor(best) : best;
    this.map.fitBounds(this.bounds, { animate: false, maxZoom: at, paddingTopLeft: corner, paddingBottomRight: other });
    o.zoomSnap = whole ? 1 : 0.25;
  }
}
