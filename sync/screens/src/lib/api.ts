// The interface of /openapi.yaml as types and three calls. Nothing is retried
// behind the caller's back except where the interface says that the same id
// counts once (reports and actions).

export type ID = string;
/** RFC 3339, UTC, milliseconds. */
export type Stamp = string;
export type Category = "security" | "crime" | "traffic_accident" | "fire" | "emergency" | "medical" | "panic" | "feedback";
export const categories: readonly Category[] = ["panic", "fire", "emergency", "medical", "crime", "traffic_accident", "security", "feedback"];
export type Priority = "P1" | "P2" | "P3" | "P4";
export const priorities: readonly Priority[] = ["P1", "P2", "P3", "P4"];
export type Status = "received" | "claimed" | "classified" | "verified" | "dispatched" | "on_scene" | "resolved" | "closed";
export type Role = "ward_officer" | "department_officer" | "command_officer" | "supervisor" | "administrator" | "auditor";
export type Progress = "told" | "seen" | "accepted" | "forwarded" | "done";

export interface Officer { user: string; role: Role; unit: string; /** May do nothing but choose a new password. */ must_change?: boolean }
export interface Place { lat: number; lon: number; accuracy_m: number; fixed_at?: Stamp }
export interface Author { entry: ID; name: string; unit?: string; origin: string; at: Stamp; clock_sure: boolean; offline?: boolean }
export interface Holder { officer: string; by: Author }
export interface Value { value: string; by: Author }
export interface Conflict { field: "category" | "priority" | "place" | "summary"; shown: Value; others: Value[] }
export interface Medium { sha256: string; type: string; bytes: number }
export interface PanelSignal { protocol: string; account: string; qualifier: string; code: string; group: string; zone: string }
export interface Reporter { name?: string; phone?: string; anonymous?: boolean }

export interface Arrival {
  id: ID; origin: string; device: string; category: Category; place?: Place; captured_at: Stamp; received_at: Stamp;
  media?: Medium[]; signal?: PanelSignal; flags?: string[];
  sealed?: { text?: string; place_text?: string; reporter?: Reporter };
  unreadable?: boolean; redacted?: boolean;
  /** Who reported is known and sealed; openReporter opens it. */
  identified?: boolean;
}
export interface TimelineEntry {
  entry: ID; kind: string; by: string; unit?: string; origin: string;
  /** When it was made, by its author's clock; of a report, by the source's. */
  at: Stamp;
  /** When the node that wrote it took it in. */
  received_at?: Stamp;
  clock_sure: boolean;
  /** In the city's order; 0 is still on its way. */
  index: number;
  offline?: boolean; withdrawn?: boolean; redacted?: boolean; value?: string; sealed?: { text?: string; summary?: string };
}
export interface Item { kind: string; value?: string; at: Stamp; redacted?: boolean; signal?: PanelSignal; by: Author }
export interface UnitState { unit: string; progress: Progress; holder?: Holder; other_claims?: Holder[] }
export interface Suggestion { other: ID; reason: string; entry: ID }

/** One incident with all that is known of it. */
export interface Incident {
  id: ID; version: string; status: Status; open: boolean; epoch: number; stub?: boolean; verdict?: string;
  category?: Category; priority?: Priority; place?: Place; summary?: string; silent?: boolean; exercise?: ID; made_real?: Author; cancelled?: boolean; flags?: string[];
  lead?: string; units: UnitState[]; conflicts: Conflict[]; reports: Arrival[]; items: Item[];
  deadlines: { step: string; at: Stamp }[]; parked_until?: Stamp; merged?: { other: ID; by: Author }[]; group?: ID[];
  suggestions?: Suggestion[]; after_close?: ID[]; missing?: ID[]; timeline: TimelineEntry[];
  /** What identifies people was erased, up to an epoch. */
  erased?: { at: Stamp; reason: string; epoch: number };
  source?: { device: string; reports: number; verdicts: Record<string, number> };
  delivery: { ward: boolean; city: boolean; index: number; pending: number };
}

/** One incident in a list and in a live event. */
export interface Row {
  id: ID; status: Status; stub?: boolean; category?: Category; priority?: Priority; received_at?: Stamp; lead?: string;
  units: string[]; told: { unit: string; progress: Progress; holder?: string }[]; silent?: boolean; cancelled?: boolean; conflicts?: number;
  /** The exercise of which it is part; real without. */
  exercise?: ID;
  /** Probably about the same event as another. */
  suggested?: boolean;
  verdict?: string;
  /** Of the first report. */
  device?: string;
  place?: Place; deadlines?: { step: string; at: Stamp }[]; parked_until?: Stamp; merged?: ID[];
  /** In live events always, in lists that are asked with=brief. pending: entries that the city does not have. */
  brief?: { text?: string; place?: string; pending?: number };
  /** Of the entry that changed it last. */
  index: number;
}
export interface Page<T> { items: T[]; next: string | null }

export interface Line {
  state: "connected" | "connecting" | "cut" | "local"; since: Stamp; lag: number; oldest_at?: Stamp; city?: string; alarms?: string[];
}
export interface DeviceState { id: string; kind: string; online: boolean; silent_since?: Stamp; since?: Stamp; detail?: string }
/** How a station is, as it said last over the line. */
export interface Health { at: Stamp; free: number; room: "all" | "urgent_only" | "none"; clock_ms: number; lag: number; quarantined: number; incarnation?: string; certificate_until?: Stamp }
export interface Station {
  id: string; ward: string; name: string; connected: boolean; last_heard?: Stamp; enrolment?: "waiting" | "enrolled" | "held" | "revoked"; health?: Health; line?: Line; devices?: DeviceState[]; phones?: number; alarms?: string[];
}
export interface Unit { id: string; name: string }
export interface Contact { id: string; name: string; kind: "patrol" | "unit" | "emergency"; unit?: string; phone?: string; radio?: string }

/** Verdicts, as they stand first in the reason of verify, resolve and close: "false:prank" has the verdict false. */
export type Verdict = "true" | "doubtful" | "false" | "duplicate";
export const verdicts: readonly Verdict[] = ["true", "doubtful", "false", "duplicate"];
export const verdictOf = (reason: string | undefined): Verdict | undefined => verdicts.find((v) => v === reason?.split(":")[0]);

export type ActionName =
  | "claim" | "release" | "classify" | "verify" | "forward" | "accept" | "dispatch" | "arrive" | "resolve" | "close"
  | "reopen" | "note" | "contact" | "merge" | "split" | "park" | "handover" | "withdraw" | "redact" | "real";
export interface ActionFields {
  unit?: string; category?: Category; priority?: Priority; place?: { lat: number; lon: number; accuracy_m?: number }; summary?: string;
  to_unit?: string; to_officer?: string; patrol?: string; reason?: string; text?: string; until?: Stamp; target?: ID; incidents?: ID[];
}
export interface Done { id: ID; incident: ID; action: ActionName; entry: ID; origin: string; seq: number; at: Stamp; status: Status; version: string }

export interface NewReport {
  id: ID; category: Category; text?: string; place_text?: string; location?: { lat: number; lon: number; accuracy_m?: number; fixed_at?: Stamp };
  captured_at?: Stamp; sent_at?: Stamp; reporter?: Reporter; media?: Medium[];
  /** An exercise that runs where it belongs: it is practice. */
  exercise?: ID;
}
export interface Receipt {
  id: ID; incident: ID; ward: string; origin: string; incarnation: string; lane: string; seq: number; hash: string; received_at: Stamp;
  warnings: { field: string; detail: string }[];
}

/** A problem detail (RFC 9457), or status 0 when there was no answer at all. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly detail: string,
    readonly field?: string,
    readonly code?: string,
    readonly holder?: Holder,
    readonly state?: Incident,
    /** Seconds after which to send the same again. */
    readonly retryAfter?: number,
  ) {
    super(detail || type);
  }
  /** The same request may succeed later. */
  get later(): boolean {
    return this.status === 0 || this.status === 503 || this.status === 507 || this.status === 429 || this.status === 500;
  }
}

/** How long an answer may take, in milliseconds. At the core a commit can wait for an election. */
const patience = 15_000;
/** The same for a file that the city commits in parts. */
const filePatience = 90_000;

async function call<T>(method: string, path: string, body?: unknown, file?: Blob): Promise<T> {
  let r: Response;
  try {
    r = await fetch(path, {
      method,
      signal: AbortSignal.timeout(file ? filePatience : patience),
      ...(file ? { headers: { "Content-Type": "application/octet-stream" }, body: file }
        : body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch (e) {
    throw new Problem(0, "no-answer", e instanceof Error ? e.message : String(e));
  }
  if (r.status === 204) return undefined as T;
  let data: unknown;
  try {
    data = await r.json();
  } catch {
    throw new Problem(r.status || 0, "not-json", `${method} ${path}: ${r.status}`);
  }
  if (r.ok) return data as T;
  const p = data as { type?: string; detail?: string; field?: string; code?: string; holder?: Holder; state?: Incident };
  throw new Problem(r.status, (p.type ?? "").replace("/problems/", ""), p.detail ?? "", p.field, p.code, p.holder, p.state,
    Number(r.headers.get("Retry-After")) || undefined);
}

export const get = <T>(path: string): Promise<T> => call<T>("GET", path);
export const post = <T>(path: string, body: unknown): Promise<T> => call<T>("POST", path, body);
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>("PUT", path, body);
export const patch = <T>(path: string, body: unknown): Promise<T> => call<T>("PATCH", path, body);
/** Sends a file as it is. */
export const upload = <T>(path: string, file: Blob): Promise<T> => call<T>("POST", path, undefined, file);
export const del = (path: string): Promise<void> => call<void>("DELETE", path);

/** A version 7 UUID; the time inside is only for people who read logs. */
export function uuid(): ID {
  const b = crypto.getRandomValues(new Uint8Array(16));
  let t = Date.now();
  for (let i = 5; i >= 0; i--) {
    b[i] = t % 256;
    t = Math.floor(t / 256);
  }
  b[6] = (b[6]! & 0x0f) | 0x70;
  b[8] = (b[8]! & 0x3f) | 0x80;
  const h = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

/** Pauses between tries of what counts once, in milliseconds. */
const tries = [400, 1200, 3000];

/** Repeats f, which must carry an id that counts once, while the answer is "later". */
export async function insist<T>(f: () => Promise<T>): Promise<T> {
  for (const pause of tries) {
    try {
      return await f();
    } catch (e) {
      if (!(e instanceof Problem) || !e.later) throw e;
      await new Promise((done) => setTimeout(done, Math.max(pause, (e.retryAfter ?? 0) * 1000)));
    }
  }
  return f();
}

/** One officer's action; sent again with the same id until it is answered. */
export function act(incident: ID, action: ActionName, seen: string, fields: ActionFields = {}): Promise<Done> {
  const body = { id: uuid(), action, seen, ...fields };
  return insist(() => post<Done>(`/api/v1/incidents/${incident}/actions`, body));
}

/** Every page of a list. */
/** Opens who reported; each opening is an entry with the officer's name. */
export function openReporter(incident: ID, report: ID): Promise<{ reporter: Reporter }> {
  const id = uuid();
  return insist(() => post(`/api/v1/incidents/${incident}/reporter`, { id, report, reason: "call_back" }));
}

export async function all<T>(path: string, each: (items: T[]) => void): Promise<void> {
  const sep = path.includes("?") ? "&" : "?";
  let cursor: string | null = "";
  for (let pages = 0; cursor !== null && pages < 1000; pages++) {
    const page: Page<T> = await get<Page<T>>(path + (cursor ? `${sep}cursor=${encodeURIComponent(cursor)}` : ""));
    each(page.items);
    cursor = page.next;
  }
}
