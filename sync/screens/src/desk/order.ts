// The order of the queue, and what of it may move while an officer looks at it.
import { nodeNow } from "../lib/clock";
import type { ID, Priority, Row } from "../lib/api";

const rank = (p: Priority | undefined): number => (p ? Number(p[1]) : 0); // without a priority: not routed yet, on top

/** When a row was received, read once per row: thousands are sorted ten times a second. */
const times = new WeakMap<Row, number>();
function receivedAt(r: Row): number {
  let t = times.get(r);
  if (t === undefined) times.set(r, (t = Date.parse(r.received_at ?? "")));
  return t;
}

/** What is real before practice, then priority, then oldest; ids make it total. */
export function before(a: Row, b: Row): number {
  return Number(a.exercise !== undefined) - Number(b.exercise !== undefined) || rank(a.priority) - rank(b.priority) || receivedAt(a) - receivedAt(b) || (a.id < b.id ? -1 : Number(a.id > b.id));
}

/** Parked until later than now. */
export const parked = (r: Row, now: number): boolean => r.parked_until !== undefined && Date.parse(r.parked_until) > now;

const told = (r: Row, unit: string) => r.told.find((t) => t.unit === unit);

/** Whether the unit still has something to do with it. */
export function concerns(r: Row, unit: string): boolean {
  if (r.status === "closed") return false;
  const t = told(r, unit);
  return r.lead === unit || (t !== undefined && t.progress !== "forwarded" && t.progress !== "done") || (t !== undefined && t.holder !== undefined);
}

export const holderOf = (r: Row, unit: string): string | undefined => told(r, unit)?.holder;

/** Rings: nobody of this unit has it and it waits for somebody. */
export const unclaimed = (r: Row, unit: string, now: number): boolean =>
  concerns(r, unit) && !holderOf(r, unit) && !parked(r, now) && r.status !== "resolved" && !r.stub;

/** The step that is due next; undefined when none has a deadline. */
export function due(r: Row, unit: string): { step: string; at: number } | undefined {
  const steps = ["claim", "classify", "verify", "dispatch", "arrive", "resolve", "close"];
  const at: Record<Row["status"], number> = { received: 0, claimed: 1, classified: 2, verified: 3, dispatched: 4, on_scene: 5, resolved: 6, closed: 7 };
  const from = holderOf(r, unit) || r.status !== "received" ? Math.max(1, at[r.status]) : 0;
  for (const s of steps.slice(from)) {
    const d = r.deadlines?.find((x) => x.step === s);
    if (d) return { step: s, at: Date.parse(d.at) };
  }
  return undefined;
}

/** A claim that goes nowhere: somebody of this unit has it, and the next step's deadline passed without a step. */
export function stalled(r: Row, unit: string, now: number): boolean {
  if (r.status !== "claimed" || !holderOf(r, unit) || parked(r, now)) return false;
  const d = due(r, unit);
  return d !== undefined && now > d.at;
}

export interface Shown {
  /** What stands on the screen, in order; some may have left the queue since. */
  rows: ID[];
  /** Those that wait to be let in. */
  waiting: ID[];
}

/**
 * What may stand on the screen when `wanted` is the right order: nothing above the
 * lowest anchor (the row under the pointer, the chosen one) comes, goes or moves.
 * Paused: nothing does anywhere.
 */
export function settle(shown: readonly ID[], wanted: readonly ID[], anchors: ReadonlySet<ID>, paused: boolean): Shown {
  let last = -1;
  if (paused) last = shown.length - 1;
  else shown.forEach((id, i) => anchors.has(id) && (last = i));
  if (last < 0 && !paused) return { rows: [...wanted], waiting: [] };
  const place = new Map(wanted.map((id, i) => [id, i]));
  const kept = shown.slice(0, last + 1);
  const standing = new Set(kept);
  // Where the lowest row that stays belongs; what belongs above it waits.
  let line = -1;
  for (let i = kept.length - 1; i >= 0 && line < 0; i--) line = place.get(kept[i]!) ?? -1;
  const rows = [...kept];
  const waiting: ID[] = [];
  wanted.forEach((id, i) => {
    if (standing.has(id)) return;
    if (paused || i < line) waiting.push(id);
    else rows.push(id);
  });
  return { rows, waiting };
}

/** Metres between two places on a sphere (haversine). */
export function metres(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const r = Math.PI / 180;
  const h = Math.sin(((b.lat - a.lat) * r) / 2) ** 2 + Math.cos(a.lat * r) * Math.cos(b.lat * r) * Math.sin(((b.lon - a.lon) * r) / 2) ** 2;
  return 2 * 6_371_000 * Math.asin(Math.sqrt(h));
}

/** Lower case without Vietnamese marks: "cháy nhà" and "CHAY NHA" are one. */
export const plain = (s: string): string => s.normalize("NFD").replace(/\p{M}/gu, "").replace(/đ/gi, "d").toLowerCase();

/** The longest time that a priority may be parked, minutes. */
export const longestPark: Record<Priority, number> = { P1: 10, P2: 30, P3: 240, P4: 1440 };

export const overdueBy = (r: Row, unit: string): number => {
  const d = due(r, unit);
  return d ? nodeNow() - d.at : -Infinity;
};
