// A node that always says the same, at one moment: the built screens with answers that
// are typed as the interface has them. Pictures of the screens need data that never moves;
// everything else is tested against a whole city.
import { createServer, type Server, type ServerResponse } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, normalize, resolve } from "node:path";
import type { AddressInfo } from "node:net";
import type { Warning } from "../src/lib/alerts";
import type { Category, Contact, Incident, Officer, Priority, Row, Station, Status, Unit } from "../src/lib/api";
import { administration } from "./fakeadmin";

/** The one moment: 15 January 2026, 09:30 in the city. */
export const moment = Date.parse("2026-01-15T02:30:00.000Z");
const ago = (s: number): string => new Date(moment - s * 1000).toISOString();
const id = (n: number): string => `018f3c1e-7a2b-7c3d-8e4f-${String(n).padStart(12, "0")}`;

export const ward = "26704";
const wards = [["26704", "Phường Tân Định"], ["26740", "Phường Sài Gòn"], ["27487", "Phường Tân Thuận"], ["26734", "Phường Bến Thành"], ["27139", "Phường Chợ Quán"], ["27301", "Phường Chợ Lớn"]] as const;

const square = (i: number): [number, number][] => {
  const [lon, lat] = [106.66 + (i % 3) * 0.03, 10.76 + Math.floor(i / 3) * 0.03];
  return [[lon, lat], [lon + 0.03, lat], [lon + 0.03, lat + 0.03], [lon, lat + 0.03], [lon, lat]];
};
const map = {
  type: "FeatureCollection", version: 1,
  features: wards.map(([code, name], i) => ({ type: "Feature", id: code, properties: { code, name, centre: [square(i)[0]![0] + 0.015, square(i)[0]![1] + 0.015] }, geometry: { type: "MultiPolygon", coordinates: [[square(i)]] } })),
};

interface Case { n: number; category: Category; priority: Priority; status: Status; text: string; place: string; at: number; due: number; holder?: string; lon: number; lat: number; pending?: number }
const cases: Case[] = [
  { n: 1, category: "fire", priority: "P1", status: "received", text: "Cháy ở tầng 5, có hai người mắc kẹt, khói nhiều", place: "Chung cư 44 Trần Hưng Đạo", at: 35, due: 25, lon: 106.675, lat: 10.772 },
  { n: 2, category: "medical", priority: "P1", status: "claimed", text: "Người già ngất ở chợ, còn thở", place: "Chợ Tân Định, cổng sau", at: 140, due: 160, holder: "lan", lon: 106.681, lat: 10.781 },
  { n: 3, category: "traffic_accident", priority: "P2", status: "dispatched", text: "Xe tải va xe máy, đường bị tắc", place: "Ngã tư Hai Bà Trưng – Võ Thị Sáu", at: 900, due: -320, holder: "lan", lon: 106.668, lat: 10.768 },
  { n: 4, category: "security", priority: "P3", status: "received", text: "Đánh nhau trước quán nước", place: "", at: 1500, due: 2100, lon: 106.684, lat: 10.765 },
  { n: 5, category: "feedback", priority: "P4", status: "received", text: "Đèn đường hỏng ba hôm nay", place: "Hẻm 12 Đặng Dung", at: 7200, due: 80_000, lon: 106.672, lat: 10.786, pending: 1 },
];
const unitOf = `ward/${ward}`;
const rowOf = (c: Case): Row => ({
  id: id(c.n), status: c.status, category: c.category, priority: c.priority, received_at: ago(c.at), lead: unitOf, units: [unitOf, "command"], index: 100 + c.n, device: "app-1",
  told: [{ unit: unitOf, progress: c.holder ? "seen" : "told", ...(c.holder ? { holder: c.holder } : {}) }, { unit: "command", progress: "told" }],
  place: { lat: c.lat, lon: c.lon, accuracy_m: 15, fixed_at: ago(c.at + 4) }, deadlines: [{ step: c.status === "received" ? "claim" : c.status === "claimed" ? "classify" : "arrive", at: new Date(moment + c.due * 1000).toISOString() }],
  brief: { text: c.text, ...(c.place ? { place: c.place } : {}), ...(c.pending ? { pending: c.pending } : {}) },
});
const detailOf = (c: Case): Incident => ({
  id: id(c.n), version: "v1", status: c.status, open: true, epoch: 0, category: c.category, priority: c.priority, place: { lat: c.lat, lon: c.lon, accuracy_m: 15, fixed_at: ago(c.at + 4) }, lead: unitOf,
  units: [{ unit: unitOf, progress: c.holder ? "seen" : "told", ...(c.holder ? { holder: { officer: c.holder, by: { entry: id(970 + c.n), name: c.holder, unit: unitOf, origin: `ward-${ward}`, at: ago(c.at - 20), clock_sure: true } } } : {}) }, { unit: "command", progress: "told" }], conflicts: [],
  reports: [{ id: id(c.n), origin: `ward-${ward}`, device: "app-1", category: c.category, place: { lat: c.lat, lon: c.lon, accuracy_m: 15 }, captured_at: ago(c.at + 3), received_at: ago(c.at), identified: true, sealed: { text: c.text, place_text: c.place } }],
  items: [], deadlines: rowOf(c).deadlines!, source: { device: "app-1", reports: 4, verdicts: { true: 2, false: 1 } }, delivery: { ward: true, city: true, index: 100 + c.n, pending: 0 },
  timeline: [
    { entry: id(900 + c.n), kind: "report", by: "app-1", origin: `ward-${ward}`, at: ago(c.at + 3), received_at: ago(c.at), clock_sure: true, index: 100 + c.n },
    { entry: id(950 + c.n), kind: "routed", by: "", origin: "core", at: ago(c.at - 1), clock_sure: true, index: 110 + c.n, value: unitOf },
  ],
});

const warning: Warning = {
  id: id(77), state: "holds", wards: [ward, "26740"], expires: new Date(moment + 3 * 3_600_000).toISOString(), by: "command", origin: "core", index: 99, reached: [{ ward, devices: 14, listening: 17, at: ago(60) }],
  alert: { sender: "wardline-command", sent: ago(600), status: "Actual", msg_type: "Alert", info: [
    { language: "vi", categories: ["Met"], event: "Ngập nước", urgency: "Immediate", severity: "Severe", certainty: "Observed", headline: "Nước lên cao ở bờ kênh", description: "Nước đã ngập 40 cm và còn lên.", instruction: "Tránh xa bờ kênh, đưa xe lên chỗ cao.", areas: [{ desc: "Phường Tân Định, Phường Sài Gòn" }] },
    { language: "en", categories: ["Met"], event: "Flood", urgency: "Immediate", severity: "Severe", certainty: "Observed", headline: "High water along the canal", description: "40 cm of water, and rising.", instruction: "Keep away from the canal; move vehicles to high ground.", areas: [{ desc: "Phường Tân Định, Phường Sài Gòn" }] }] },
};
const stations: Station[] = wards.slice(0, 4).map(([code, name], i) => ({
  id: `ward-${code}`, ward: code, name, connected: i !== 2, last_heard: ago(i === 2 ? 754 : 2), line: { state: i === 2 ? "cut" : "connected", since: ago(5000), lag: i }, devices: [{ id: `kiosk-${i}`, kind: "kiosk", online: true }],
}));
const contacts: Contact[] = [
  { id: "tt-1", name: "Tổ tuần tra 1", kind: "patrol", unit: unitOf, phone: "0901 000 001", radio: "Kênh 3" }, { id: "tt-2", name: "Tổ tuần tra 2", kind: "patrol", unit: unitOf, phone: "0901 000 002" },
  { id: "pc07", name: "Trực ban PC07", kind: "unit", unit: "PC07", phone: "028 3920 0996" },
];
const units: Unit[] = [{ id: "command", name: "Trung tâm chỉ huy" }, { id: "PC07", name: "Phòng PC07" }, ...wards.map(([code, name]) => ({ id: `ward/${code}`, name }))];

const types: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".json": "application/json", ".webmanifest": "application/manifest+json" };
const built = resolve(import.meta.dirname, "../dist/built");

export class FakeNode {
  private constructor(private readonly server: Server) {}
  /** Rows beside the usual ones, and how many of them change each second. */
  crowd: Row[] = [];
  changes = 0;
  /** Who is logged in; null: nobody. */
  officer: Officer | null = null;

  static async start(): Promise<FakeNode> {
    if (!existsSync(join(built, "desk/index.html"))) throw new Error("the screens are not built: run make screens");
    const server = createServer();
    const f = new FakeNode(server);
    server.on("request", (q, r) => f.answer(new URL(q.url ?? "/", "http://x"), q.method ?? "GET", r));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return f;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private answer(u: URL, method: string, r: ServerResponse): void {
    const json = (status: number, v: unknown): void => void r.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(v));
    const p = u.pathname;
    if (!p.startsWith("/api/")) return this.file(p, r);
    if (p === "/api/v1/alerts") return json(200, { at: new Date(moment).toISOString(), items: [warning] });
    if (p === "/api/v1/devices" && method === "POST") return json(201, { id: "app-1", password: "x" });
    if (!this.officer) return json(401, { type: "/problems/not-logged-in", title: "Unauthorized", status: 401 });
    const cityWide = this.officer.unit === "command";
    const one = /^\/api\/v1\/incidents\/([0-9a-f-]+)$/.exec(p)?.[1];
    if (one) return json(200, detailOf(cases.find((c) => id(c.n) === one) ?? cases[0]!));
    switch (p) {
      case "/api/v1/me": return json(200, this.officer);
      case "/api/v1/incidents": return json(200, { items: [...cases.map(rowOf), ...this.crowd], next: null });
      case "/api/v1/wards": return json(200, map);
      case "/api/v1/units": return json(200, { items: units });
      case "/api/v1/contacts": return json(200, { items: contacts, colleagues: ["lan", "minh"] });
      case "/api/v1/stations": return json(200, { items: cityWide ? stations : stations.slice(0, 1), line: stations[0]!.line });
      case "/api/v1/points": return json(200, { count: 2, items: [{ id: "H-12", kind: "hydrant", name: "Trụ 12 Trần Hưng Đạo", lat: Number(u.searchParams.get("lat")) + 0.0004, lon: Number(u.searchParams.get("lon")), distance_m: 45 }, { kind: "clinic", name: "Trạm y tế phường", lat: Number(u.searchParams.get("lat")), lon: Number(u.searchParams.get("lon")) + 0.002, distance_m: 219 }] });
      case "/api/v1/broadcasts": return json(200, { items: [warning] });
      case "/api/v1/live": {
        r.writeHead(200, { "Content-Type": "text/event-stream" });
        const line = cityWide ? { state: "local", since: ago(90_000), lag: 0, city: "core-1" } : { state: "connected", since: ago(9000), lag: 0, city: "core-1" };
        const beat = (): void => void r.write(`event: heartbeat\ndata: ${JSON.stringify({ at: new Date(moment).toISOString(), index: 200, line })}\n\n`);
        beat();
        const timer = setInterval(beat, 2000);
        let index = 1000;
        const change = setInterval(() => {
          for (let n = 0; n < this.changes / 50 && this.crowd.length; n++) {
            const k = Math.floor(Math.random() * this.crowd.length);
            const row = (this.crowd[k] = { ...this.crowd[k]!, index: ++index, brief: { text: `đổi lần ${index}` } });
            r.write(`event: incident\nid: ${index}\ndata: ${JSON.stringify({ incident: row.id, reports: [row.id], status: row.status, index, row })}\n\n`);
          }
        }, 20);
        r.on("close", () => {
          clearInterval(timer);
          clearInterval(change);
        });
        return;
      }
    }
    if (p === "/api/v1/tiles") return json(200, { state: "none", min_zoom: 0, max_zoom: 0 });
    json(200, administration(ago, ward)[p] ?? { items: [], next: null });
  }

  private file(p: string, r: ServerResponse): void {
    const path = normalize(join(built, p.endsWith("/") ? p + "index.html" : p));
    if (!path.startsWith(built) || !existsSync(path)) return void r.writeHead(404).end();
    r.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(readFileSync(path));
  }
}

/** Open incidents of this ward, of every priority. */
export const crowdOf = (count: number): Row[] => Array.from({ length: count }, (_, i) => ({
  ...rowOf({ ...cases[i % cases.length]!, n: 10_000 + i, at: 60 + i, due: 600 + i, lon: 106.66 + (i % 71) * 0.0004, lat: 10.76 + (i % 67) * 0.0004 }), index: 300,
}));
