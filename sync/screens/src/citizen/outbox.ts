// Sends what this phone keeps until the city has it. The id makes a report count
// once, however often it goes out: after an answer that was lost, from two tabs,
// from the service worker, to the ward and to the city.
import { Problem, type ID, type Receipt, type Status } from "../lib/api";
import { change, forget, install, reports, setInstall, ward, type Install, type Kept } from "./store";

/** The longest pause between two tries, milliseconds; also what a jumped clock can cost. */
export const patience = 60_000;
/** How long one answer may take. */
const answerTime = 15_000;
/** How often the state of an open report is asked for while somebody looks, and otherwise. */
const askSoon = 5_000, askLater = 60_000;
/** How long a closed report is still asked about: somebody may open it again. */
const kept = 7 * 86_400_000;

const pauseOf = (tries: number): number => Math.min(patience, 1000 * 2 ** Math.min(tries, 6)) * (0.75 + Math.random() / 2);

async function call<T>(method: string, path: string, as: Install | undefined, body?: unknown): Promise<T> {
  let r: Response;
  try {
    const headers: Record<string, string> = {};
    if (as) headers["Authorization"] = "Basic " + btoa(`${as.id}:${as.password}`);
    if (body !== undefined) headers["Content-Type"] = "application/json";
    r = await fetch(path, {
      method, headers, credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(answerTime),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (e) {
    throw new Problem(0, "no-answer", String(e));
  }
  // A proxy's or a captive portal's page is no answer of ours.
  const data: unknown = await r.json().catch(() => null);
  if (data === null || typeof data !== "object") throw new Problem(0, "not-ours", String(r.status));
  if (r.ok) return data as T;
  const p = data as { type?: string; detail?: string; field?: string };
  throw new Problem(r.status, (p.type ?? "").replace("/problems/", ""), p.detail ?? "", p.field, undefined, undefined, undefined, Number(r.headers.get("Retry-After")) || undefined);
}

/** This install's credential; it registers itself once, without a name. */
async function credential(): Promise<Install> {
  const have = await install();
  if (have) return have;
  const w = await ward();
  const got = await call<Install>("POST", "/api/v1/devices", undefined, w ? { kind: "app", ward: w } : { kind: "app" });
  const fresh = { id: got.id, password: got.password };
  await setInstall(fresh);
  return fresh;
}

/** Registers before the first report is needed, so that an emergency does not wait for it. */
export async function prepare(): Promise<boolean> {
  try {
    await credential();
    return true;
  } catch {
    return false;
  }
}

interface Progress { id: ID; receipts: { step: "ward" | "city" | "seen" }[]; status?: Status; messages?: Kept["messages"] }

/** Whether this report must still be offered; what a node named as still on its way is asked for, not sent. */
const unsent = (k: Kept): boolean => !k.refused && !k.city && !k.sent;
const asks = (k: Kept): boolean => !k.refused && k.sent === true && (k.status !== "closed" || Date.now() - k.made < kept);

async function offer(k: Kept, as: Install): Promise<void> {
  const r = await call<Receipt>("POST", "/api/v1/reports", as, { ...k.body, sent_at: new Date().toISOString() });
  await change(k.id, (x) => {
    x.sent = true;
    x.tries = 0;
    x.next = Date.now();
    x.asked = Date.now();
    if (r.origin === "core") x.city = true;
    else x.ward = true;
  });
}

async function ask(k: Kept, as: Install): Promise<void> {
  try {
    const p = await call<Progress>("GET", `/api/v1/reports/${k.id}`, as);
    await change(k.id, (x) => {
      for (const r of p.receipts) x[r.step] = true;
      if (p.status) x.status = p.status;
      x.messages = p.messages ?? [];
      x.asked = Date.now();
      x.tries = 0;
    });
  } catch (e) {
    if (!(e instanceof Problem) || e.status !== 404) throw e;
    // Who took it has lost it (a restored disk) or another node answers now: offer it again, unless the city has it.
    if (!k.city) await change(k.id, (x) => (x.sent = false));
  }
}

/** Sends what the reporter wrote about a report that a node has. */
async function write(k: Kept, as: Install): Promise<void> {
  for (const m of k.writes ?? []) {
    if (m.refused) continue;
    let refused: string | undefined;
    try {
      const r = await call<{ status: Status }>("POST", `/api/v1/reports/${k.id}/messages`, as, { id: m.id, text: m.text, ...(m.reopen ? { reopen: true } : {}) });
      await change(k.id, (x) => (x.status = r.status));
    } catch (e) {
      // A node that has not heard of the report yet answers 404: later.
      if (!(e instanceof Problem) || e.later || e.status === 404 || e.status === 401) throw e;
      refused = e.code === "not_closed" || e.type === "not_closed" ? "" : e.detail; // it is open already: that was the wish
    }
    await change(k.id, (x) => {
      if (refused) x.writes = (x.writes ?? []).map((y) => (y.id === m.id ? { ...y, refused } : y));
      else x.writes = (x.writes ?? []).filter((y) => y.id !== m.id);
    });
  }
}

/** What went wrong with one report; true: the rest need not be tried now. */
async function wrong(k: Kept, e: unknown): Promise<boolean> {
  const p = e instanceof Problem ? e : new Problem(0, "fault", String(e));
  if (p.status === 401) {
    await setInstall(undefined); // forgotten or revoked: register anew, later
  } else if (!p.later && p.status !== 403 && p.status !== 404 && p.status !== 405) {
    await change(k.id, (x) => (x.refused = { ...(p.field ? { field: p.field } : {}), detail: p.detail }));
    return false;
  }
  await change(k.id, (x) => {
    x.tries++;
    x.next = Date.now() + Math.max(pauseOf(x.tries), (p.retryAfter ?? 0) * 1000);
  });
  return p.status === 0 || p.status === 401;
}

/** The most urgent first, then the oldest. */
const order = (a: Kept, b: Kept): number => Number(b.category === "panic") - Number(a.category === "panic") || a.made - b.made;
const due = (k: Kept, at: number): boolean => k.next <= at || k.next - at > patience * 2;

async function once(watched: boolean, now: boolean): Promise<void> {
  const all = (await reports()).sort(order);
  const at = Date.now();
  const out = all.filter((k) => unsent(k) && (now || due(k, at)));
  const pace = watched ? askSoon : askLater;
  const open = all.filter((k) => asks(k) && (now || Math.abs(at - (k.asked ?? 0)) >= pace));
  const written = all.filter((k) => k.sent && (k.writes ?? []).some((m) => !m.refused) && (now || due(k, at)));
  if (out.length + open.length + written.length === 0) return;
  let as: Install;
  try {
    as = await credential();
  } catch (e) {
    for (const k of out) await wrong(k, e instanceof Problem && e.status === 401 ? new Problem(0, "", "") : new Problem(503, "not-registered", String(e)));
    return;
  }
  for (const [list, f] of [[out, offer], [written, write], [open, ask]] as const)
    for (const k of list) {
      try {
        await f(k, as);
      } catch (e) {
        if (await wrong(k, e)) return;
      }
    }
  await forget();
}

/** Sends and asks what is due; one at a time in this browser, whoever calls. now: do not wait for pauses to end. */
export async function drain(watched: boolean, now = false): Promise<void> {
  await navigator.locks.request("wardline-outbox", { ifAvailable: !now }, async (lock) => {
    if (lock) await once(watched, now);
  });
}
