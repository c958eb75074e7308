// One store for the desk: what is shown, what is chosen, what was just done.
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { act, get, insist, openReporter, post, Problem, uuid, type ActionFields, type ActionName, type Contact, type ID, type Incident, type NewReport, type Receipt, type Reporter, type Row, type Unit } from "../lib/api";
import { nodeNow, now } from "../lib/clock";
import { heard } from "../lib/exercises";
import { beat, stream } from "../lib/live";
import { me } from "../lib/session";
import { Incidents } from "../lib/store";
import { before, concerns, parked, plain, settle, stalled, unclaimed, due } from "./order";
import { review, sorted, type Cut, type Reviewed } from "./review";
import type { Ringing } from "./sound";
import { t } from "./words";

export const unit = computed(() => me.value?.unit ?? "");

/** Open incidents of this unit, with their words, in the queue's order. */
export const incidents = new Incidents("/api/v1/incidents?status=open&with=brief&limit=500", (r) => r.status !== "closed", before);

export const filter = signal("");
export const paused = signal(false);
/** The row under the pointer. */
export const hovered = signal<ID | null>(null);
export const chosen = signal<ID | null>(null);

const matches = (r: Row, words: string): boolean =>
  plain([r.brief?.text, r.brief?.place, r.device, r.id, r.lead, unitName(r.lead), r.category ? t(r.category) : "", r.priority, r.told.map((x) => x.holder).join(" ")].join(" ")).includes(words);

const same = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

let wantedLast: Row[] = [];
/** In the right order: without the parked ones, and of merged ones the first alone. The same array while nothing changed. */
export const wanted = computed<Row[]>(() => {
  const words = plain(filter.value.trim());
  const at = now.value;
  const own = unit.value;
  let rows = incidents.list().filter((r) => concerns(r, own) && !parked(r, at));
  if (rows.some((r) => r.merged?.length)) {
    const here = new Set(rows.map((r) => r.id));
    rows = rows.filter((r) => !r.merged?.some((o) => o < r.id && here.has(o)));
  }
  if (words !== "") rows = rows.filter((r) => matches(r, words));
  return (wantedLast = same(rows, wantedLast) ? wantedLast : rows);
});

/** What stands on the screen, in order; one that left the queue meanwhile has no row any more. */
export const standing = signal<ID[]>([]);
export const waiting = signal<ID[]>([]);

let orderLast: ID[] = [];
/** The order alone: the same array while only what the rows say changed. */
const inOrder = computed<ID[]>(() => {
  const ids = wanted.value.map((r) => r.id);
  return (orderLast = same(ids, orderLast) ? orderLast : ids);
});

let unfiltered = "";
effect(() => {
  const order = inOrder.value;
  const anchors = new Set<ID>();
  if (hovered.value) anchors.add(hovered.value);
  if (chosen.value) anchors.add(chosen.value);
  const fresh = filter.value !== unfiltered; // another question: another list
  unfiltered = filter.value;
  const s = settle(fresh ? [] : standing.peek(), order, fresh ? new Set() : anchors, paused.value && !fresh);
  batch(() => {
    if (!same(s.rows, standing.peek())) standing.value = s.rows;
    if (!same(s.waiting, waiting.peek())) waiting.value = s.waiting;
  });
});

/** Lets everything into its place now. */
export function letIn(): void {
  standing.value = inOrder.value;
  waiting.value = [];
}

export const parkedRows = computed<Row[]>(() =>
  incidents.list().filter((r) => concerns(r, unit.value) && parked(r, now.value)).sort((a, b) => Date.parse(a.parked_until!) - Date.parse(b.parked_until!)));

/** What must sound now: the most urgent that nobody of this unit has, or that somebody has and does nothing about. */
export function ringing(): Ringing | null {
  const at = nodeNow();
  let worst: Row | null = null;
  for (const r of incidents.list()) if (r.priority && heard(r) && (unclaimed(r, unit.value, at) || stalled(r, unit.value, at)) && (!worst || before(r, worst) < 0)) worst = r;
  if (!worst) return null;
  const d = due(worst, unit.value);
  return { priority: worst.priority!, overdue: d !== undefined && at > d.at };
}

/** Units whose station is silent, with when it was heard last, milliseconds (0: never): what is known of their work is old. The command centre fills it. */
export const silentUnits = signal<ReadonlyMap<string, number>>(new Map());

// The chosen incident.

export const detail = signal<Incident | null>(null);
/** When `detail` was read, milliseconds of this browser. */
export const detailAt = signal(0);
export const trouble = signal("");

let asked = 0;
export async function readDetail(): Promise<void> {
  const id = chosen.value;
  const n = ++asked;
  if (!id) {
    detail.value = null;
    return;
  }
  try {
    const d = await get<Incident>(`/api/v1/incidents/${id}`);
    if (n === asked && chosen.value === id) batch(() => {
      detail.value = d;
      detailAt.value = Date.now();
    });
  } catch (e) {
    if (n !== asked) return;
    if (e instanceof Problem && e.status === 404) choose(null);
    else setTimeout(() => n === asked && void readDetail(), 2000);
  }
}

export function choose(id: ID | null): void {
  if (chosen.value === id) return;
  batch(() => {
    chosen.value = id;
    detail.value = null;
    trouble.value = "";
  });
  void readDetail();
}

/** To the next row, or the one before; from nothing to the first. */
export function move(by: 1 | -1): void {
  const ids = standing.value;
  const at = chosen.value ? ids.indexOf(chosen.value) : -1;
  const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(ids.length - 1, Math.max(0, at + by));
  const id = ids[next];
  if (id) choose(id);
}

// What was done.

export interface Undo { incident: ID; entry: ID; label: string; until: number }
export const undoable = signal<Undo | null>(null);
/** How long an action can be taken back with one key, milliseconds. */
export const undoTime = 10_000;

/** Says what stands against an action, in the officer's language. */
export function explain(e: unknown): string {
  if (!(e instanceof Problem)) return String(e);
  switch (e.code ?? e.type) {
    case "held": return t("held_by", { who: e.holder?.officer ?? "?" });
    case "not_held": return t("not_held");
    case "closed": return t("is_closed");
    case "not_seen": return t("not_seen");
    case "not_forwarded": return t("not_forwarded");
    case "no-answer": return t("no_lan");
    case "index-closed": return t("index_closed");
    case "busy": return t("search_busy");
    case "no-words": return t("search_words");
  }
  return `${t("refused")} ${e.detail}`;
}

// Actions go one after the other, so that each carries the version that the one
// before it made; a fast hand loses none, and a key pressed twice acts once.
let turn: Promise<unknown> = Promise.resolve();
const underWay = new Set<string>();
/** The incidents on which this desk does something that nobody has answered yet; one for each action. */
export const acting = signal<readonly ID[]>([]);
/** What the last action made of its incident: the one behind it must have seen it, wherever the officer looks by then. */
let made: { id: ID; version: string } | null = null;

/** Does one action on the chosen incident (or on another); true when it is kept. quiet: nothing that an officer would take back. */
export function perform(action: ActionName, fields: ActionFields = {}, on: { id: ID; version: string } | null = detail.value, quiet = false): Promise<boolean> {
  if (!on) return Promise.resolve(false);
  const what = JSON.stringify([on.id, action, fields]);
  if (underWay.has(what)) return Promise.resolve(false);
  underWay.add(what);
  acting.value = [...acting.value, on.id];
  const seen = (): { id: ID; version: string } => (detail.value?.id === on.id ? detail.value : made?.id === on.id ? made : on);
  const mine = turn.then(() => doNow(action, fields, seen(), quiet)).finally(() => {
    underWay.delete(what);
    const at = acting.value.indexOf(on.id);
    acting.value = acting.value.filter((_, i) => i !== at);
  });
  turn = mine;
  return mine;
}

/** Who reported, by report, of those that this officer opened; in memory alone. */
export const opened = signal<Record<ID, Reporter>>({});
effect(() => {
  if (!me.value) opened.value = {};
});

/** Opens who reported; each opening is an entry with the officer's name. */
export async function openSource(incident: ID, report: ID): Promise<void> {
  trouble.value = "";
  try {
    const r = await openReporter(incident, report);
    opened.value = { ...opened.value, [report]: r.reporter };
    if (detail.value?.id === incident) await readDetail();
  } catch (e) {
    trouble.value = explain(e);
  }
}

async function doNow(action: ActionName, fields: ActionFields, on: { id: ID; version: string }, quiet: boolean): Promise<boolean> {
  trouble.value = "";
  try {
    const done = await act(on.id, action, on.version, fields);
    made = { id: on.id, version: done.version };
    if (action === "withdraw") undoable.value = null;
    else if (!quiet && action !== "real") undoable.value = { incident: on.id, entry: done.entry, label: t(action), until: Date.now() + undoTime };
    if (detail.value?.id === on.id) await readDetail();
    return true;
  } catch (e) {
    trouble.value = explain(e);
    if (e instanceof Problem && e.state && detail.value?.id === e.state.id) {
      detail.value = e.state;
      detailAt.value = Date.now();
    } else void readDetail();
    return false;
  }
}

export async function undo(): Promise<void> {
  const u = undoable.value;
  if (!u || Date.now() > u.until) return;
  const d = await get<Incident>(`/api/v1/incidents/${u.incident}`).catch(() => null);
  if (d) await perform("withdraw", { target: u.entry }, d);
}

/** A report taken by telephone, radio or in person. Throws a Problem. */
export async function enter(r: Omit<NewReport, "id">): Promise<Receipt> {
  const body = { id: uuid(), ...r };
  return insist(() => post<Receipt>("/api/v1/reports", body));
}

// Beside the incidents.

export const contacts = signal<Contact[]>([]);
export const colleagues = signal<string[]>([]);
export const units = signal<ReadonlyMap<string, string>>(new Map());
export const unitName = (u: string | undefined): string => (u ? (units.value.get(u) ?? u) : "");
/** The station itself, as entries name it. */
export const origin = computed(() => (unit.value.startsWith("ward/") ? "ward-" + unit.value.slice(5) : "core"));

async function readBeside(): Promise<void> {
  for (;;) {
    try {
      const [c, u] = await Promise.all([get<{ items: Contact[]; colleagues: string[] }>("/api/v1/contacts"), get<{ items: Unit[] }>("/api/v1/units")]);
      batch(() => {
        contacts.value = c.items;
        colleagues.value = c.colleagues;
        units.value = new Map(u.items.map((x) => [x.id, x.name]));
      });
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 3000));
    }
  }
}

/** Patrols that are out, by patrol; read from the incidents that say so. */
export const out = signal<ReadonlyMap<string, { incident: ID; onScene: boolean }>>(new Map());
/** When that was read last, or nobody was out, milliseconds of this browser; 0: not yet. */
export const outAt = signal(0);
let reading = false;
let readAt = -Infinity;
/** How often patrols are read at most, milliseconds: each reading asks for up to 40 incidents. */
const outEvery = 5_000;
async function readOut(): Promise<void> {
  if (reading) return;
  const wait = readAt + outEvery - performance.now();
  reading = true;
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  readAt = performance.now();
  try {
    const rows = incidents.list().filter((r) => concerns(r, unit.value) && (r.status === "dispatched" || r.status === "on_scene")).slice(0, 40);
    const next = new Map<string, { incident: ID; onScene: boolean }>();
    for (const r of rows) {
      const d = await get<Incident>(`/api/v1/incidents/${r.id}`);
      for (const x of d.items) if ((x.kind === "dispatch" || x.kind === "arrive") && x.value) next.set(x.value, { incident: r.id, onScene: x.kind === "arrive" });
    }
    out.value = next;
    outAt.value = Date.now();
  } catch {
    /* the next change reads it again; meanwhile the strip's age grows */
  } finally {
    reading = false;
  }
}

// The cut and what came of it.

const cutKey = "desk-cut";
interface Kept { from: number; to: number; touched: ID[]; seen: boolean }
function readCut(): Kept | null {
  try {
    return JSON.parse(localStorage.getItem(cutKey) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}
/** The last cut that this desk lived through; to is 0 while it lasts. */
export const cut = signal<Kept | null>(readCut());
effect(() => {
  try {
    localStorage.setItem(cutKey, JSON.stringify(cut.value));
  } catch {
    /* lasts as long as the page */
  }
});
/** Incidents that changed since the cut began; more than this nobody reviews. */
const maxTouched = 300;
/** After the line stands again the other side's work comes in during this time, milliseconds. */
const settling = 30_000;

effect(() => {
  const line = beat.value?.line;
  if (!line) return;
  const c = cut.peek();
  if (line.state === "cut" && (!c || c.to !== 0)) cut.value = { from: Date.parse(line.since), to: 0, touched: [], seen: false };
  if (line.state === "connected" && c && c.to === 0) cut.value = { ...c, to: nodeNow() };
});

/** What the review shows; null: nothing to review. */
export const reviewed = signal<Reviewed[] | null>(null);
export async function readReview(): Promise<void> {
  const c = cut.value;
  if (!c || c.to === 0) return;
  const span: Cut = { from: c.from, to: c.to };
  const list: Reviewed[] = [];
  for (const id of c.touched) {
    const d = await get<Incident>(`/api/v1/incidents/${id}`).catch(() => null);
    const r = d && review(d, span, origin.value);
    if (r) list.push(r);
  }
  reviewed.value = sorted(list);
}

/** Starts everything once somebody is logged in. */
let begun = false;
export function begin(): void {
  void readBeside();
  if (begun) {
    incidents.start();
    return;
  }
  begun = true;
  incidents.changed.add((id) => {
    if (id === chosen.value) void readDetail();
    const c = cut.value;
    const coming = c !== null && (c.to === 0 || nodeNow() - c.to < settling || (beat.peek()?.line.lag ?? 0) > 0) && !c.seen;
    if (coming && !c.touched.includes(id) && c.touched.length < maxTouched) {
      cut.value = { ...c, touched: [...c.touched, id] };
    }
  });
  incidents.start();
  let was: string = "";
  let waited: Row[] = [];
  effect(() => {
    const line = beat.value?.line;
    // What waited for the city has reached it, and no entry says so: when nothing waits any more, neither do the
    // rows that did at the heartbeat before. A younger one may have come after the line was looked at.
    untracked(() => {
      if (line?.lag === 0) {
        incidents.delivered(waited);
        if (detail.value?.delivery.pending) void readDetail();
      }
      waited = incidents.list().filter((r) => r.brief?.pending);
    });
    if (stream.value === "live" && was !== "live") void readDetail(); // what was shown may be old
    was = stream.value;
  });
  effect(() => {
    void incidents.version.value;
    if (incidents.list().some((r) => r.status === "dispatched" || r.status === "on_scene") || out.peek().size) void readOut();
    else if (incidents.filledAt.value) outAt.value = Date.now();
  });
}
