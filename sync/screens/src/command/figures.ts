// Figures out of rows: nothing here asks the server or knows a screen.
import { verdictOf, type Category, type ID, type Priority, type Row, type Station } from "../lib/api";

export interface WardState { open: number; worst: Priority | undefined; unclaimed: number }

/** What each ward leads that is open. Key: the ward's code. */
export function byWard(rows: readonly Row[]): Map<string, WardState> {
  const m = new Map<string, WardState>();
  for (const r of rows) {
    if (r.status === "closed" || r.exercise || !r.lead?.startsWith("ward/")) continue;
    const code = r.lead.slice(5);
    const s = m.get(code) ?? { open: 0, worst: undefined, unclaimed: 0 };
    s.open++;
    if (r.priority && (!s.worst || r.priority < s.worst)) s.worst = r.priority;
    if (!r.told.some((u) => u.holder)) s.unclaimed++;
    m.set(code, s);
  }
  return m;
}

/** Silent: not connected; a ward without any station is not in the list at all, and one that was revoked is missed by nobody. */
export const silent = (stations: readonly Station[]): Map<string, Station> => new Map(stations.filter((s) => !s.connected && s.enrolment !== "revoked").map((s) => [s.ward, s]));

export interface Missed { row: Row; step: string; at: number }

const order = ["claim", "classify", "verify", "dispatch", "arrive", "resolve", "close"];
const reached: Record<Row["status"], number> = { received: 0, claimed: 1, classified: 2, verified: 3, dispatched: 4, on_scene: 5, resolved: 6, closed: 7 };

/** Steps of open incidents whose deadline is past, the latest first. */
export function missed(rows: readonly Row[], at: number): Missed[] {
  const out: Missed[] = [];
  for (const row of rows) {
    if (row.status === "closed" || row.exercise) continue;
    const from = row.told.some((u) => u.unit === row.lead && u.holder) ? Math.max(1, reached[row.status]) : reached[row.status];
    for (const d of row.deadlines ?? []) {
      const due = Date.parse(d.at);
      if (order.indexOf(d.step) >= from && due < at) {
        out.push({ row, step: d.step, at: due });
        break; // the first one that is missed says it
      }
    }
  }
  return out.sort((a, b) => a.at - b.at);
}

export interface Line { key: string; count: number; open: number; verdicts: number; false: number }

/** Rows by a key, the most frequent first. */
export function tally(rows: readonly Row[], key: (r: Row) => string | undefined): Line[] {
  const m = new Map<string, Line>();
  for (const r of rows) {
    const k = key(r);
    if (!k) continue;
    const l = m.get(k) ?? { key: k, count: 0, open: 0, verdicts: 0, false: 0 };
    l.count++;
    if (r.status !== "closed") l.open++;
    const v = verdictOf(r.verdict);
    if (v) l.verdicts++;
    if (v === "false") l.false++;
    m.set(k, l);
  }
  return [...m.values()].sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
}

const hour = 3_600_000;

export interface Quality { lastHour: number; most: number; flood: boolean; share: Record<Priority, number>; sources: Line[] }

/** The meter of alarm-management practice: rate, flood (more than ten in ten minutes), the 5/15/80 split. */
export function quality(rows: readonly Row[], at: number): Quality {
  const times = rows.map((r) => Date.parse(r.received_at ?? "")).filter((t) => !Number.isNaN(t)).sort((a, b) => a - b);
  let most = 0;
  for (let i = 0, from = 0; i < times.length; i++) {
    while (times[i]! - times[from]! >= hour / 6) from++;
    most = Math.max(most, i - from + 1);
  }
  const share: Record<Priority, number> = { P1: 0, P2: 0, P3: 0, P4: 0 };
  let n = 0;
  for (const r of rows) if (r.priority) {
    share[r.priority]++;
    n++;
  }
  for (const p of Object.keys(share) as Priority[]) share[p] = n ? Math.round((100 * share[p]) / n) : 0;
  return {
    lastHour: times.filter((t) => at - t < hour).length, most, flood: most > 10, share,
    sources: tally(rows, (r) => r.device).filter((l) => l.false > 0).sort((a, b) => b.false - a.false).slice(0, 10),
  };
}

/** RFC 4180. A text that a spreadsheet would run as a formula gets a quote before it. */
export const csv = (rows: readonly (readonly (string | number)[])[]): string =>
  rows.map((r) => r.map((x) => {
    const s = typeof x === "string" && /^[=+\-@\t\r]/.test(x) ? "'" + x : String(x);
    return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
  }).join(",")).join("\r\n") + "\r\n";

export type Key = Category | ID;
