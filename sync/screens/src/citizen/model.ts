// The page's state: which page, what is kept, and whether there is a network.
import { signal } from "@preact/signals";
import { uuid, type Category, type ID } from "../lib/api";
import { drain, prepare } from "./outbox";
import { fix, moved, type Fix } from "./place";
import { change, durable, keep, reports, setWard, type Kept, type Photo } from "./store";
import type { Offset } from "./pin";
import { practice } from "./practice";

export type Page = { at: "home" } | { at: "form"; category: Category } | { at: "mine"; id?: ID } | { at: "follow"; code: string } | { at: "poster" };

export const page = signal<Page>({ at: "home" });
export const kept = signal<Kept[]>([]);
export const online = signal(navigator.onLine);
/** Since when nothing was answered, by performance.now(); 0: answered. */
export const offlineSince = signal(0);
export const now = signal(Date.now());
/** This browser keeps nothing (private window, full disk): the page itself is the only memory. */
export const noStore = signal(false);
export const registered = signal(true);

/** Reads the address: #mine, #r/CODE, #poster. The back button goes to where one came from. */
export function route(): void {
  const h = location.hash.slice(1);
  if (h.startsWith("r/")) page.value = { at: "follow", code: decodeURIComponent(h.slice(2)) };
  else if (h.startsWith("form/")) page.value = { at: "form", category: h.slice(5) as Category };
  else if (h.startsWith("mine")) page.value = h.length > 5 ? { at: "mine", id: h.slice(5) } : { at: "mine" };
  else if (h === "poster") page.value = { at: "poster" };
  else page.value = { at: "home" };
}

export async function refresh(): Promise<void> {
  kept.value = await reports();
  noStore.value = !durable();
}

let draining: Promise<void> | undefined;

/** Sends what is due and shows what came of it. */
export function push(at_once = false): Promise<void> {
  draining ??= (async () => {
    await drain(document.visibilityState === "visible", at_once);
    await refresh();
    const waits = kept.value.some((k) => !k.sent && !k.refused && k.tries > 0);
    if (!online.value || waits) offlineSince.value ||= performance.now();
    else offlineSince.value = 0;
  })().finally(() => (draining = undefined));
  return draining;
}

export interface Draft {
  category: Category; text: string; placeText: string; photos: { sha256: string; type: string; bytes: number; blob: Blob }[];
  offset: Offset; anonymous: boolean; name: string; phone: string; taken: number;
}

/** Where the report says it is: the fix that was taken while it was written. */
const locationOf = (f: Fix | undefined, o: Offset): object =>
  f ? { location: { ...moved(f, o.east, o.north), accuracy_m: Math.min(100_000, f.accuracy), fixed_at: new Date(f.at).toISOString() } } : {};

/** Keeps a report on this phone and starts to send it; resolved once it is on the phone's disk. */
export async function submit(d: Draft): Promise<ID> {
  const id = uuid();
  const reporter = d.anonymous || (!d.name.trim() && !d.phone.trim()) ? { anonymous: true }
    : { ...(d.name.trim() ? { name: d.name.trim() } : {}), ...(d.phone.trim() ? { phone: d.phone.trim() } : {}) };
  const k: Kept = {
    id, category: d.category, made: Date.now(), tries: 0, next: 0,
    body: {
      id, category: d.category, captured_at: new Date(d.taken).toISOString(), reporter, ...locationOf(fix.value, d.offset),
      ...(d.text.trim() ? { text: d.text.trim() } : {}), ...(d.placeText.trim() ? { place_text: d.placeText.trim() } : {}),
      ...(practice.value ? { exercise: practice.value } : {}),
      ...(d.photos.length ? { media: d.photos.map(({ sha256, type, bytes }) => ({ sha256, type, bytes })) } : {}),
    },
  };
  const photos: Photo[] = d.photos.map((p) => ({ ...p, report: id }));
  await keep(k, photos);
  await refresh();
  void wakeWorker();
  void push(true);
  return id;
}

/** Keeps a word to the desk and starts to send it. */
export async function write(id: ID, text: string, reopen: boolean): Promise<void> {
  await change(id, (k) => {
    k.writes = [...(k.writes ?? []), { id: uuid(), text, reopen, made: Date.now() }];
    k.next = 0;
  });
  await refresh();
  void wakeWorker();
  void push(true);
}

/** Asks the browser to let the service worker send later, should this page be closed first. */
async function wakeWorker(): Promise<void> {
  try {
    const r = (await navigator.serviceWorker?.ready) as (ServiceWorkerRegistration & { sync?: { register(tag: string): Promise<void> } }) | undefined;
    await r?.sync?.register("outbox");
  } catch {
    /* not every browser has it; the page itself sends at the next opening */
  }
}

/** Starts everything that goes on by itself for as long as the page is open. */
export function begin(): void {
  route();
  addEventListener("hashchange", route);
  const w = new URLSearchParams(location.search).get("ward");
  if (w && /^\d{5}$/.test(w)) void setWard(w);
  const net = (): void => {
    online.value = navigator.onLine;
    if (!navigator.onLine) offlineSince.value ||= performance.now();
    void push(navigator.onLine);
  };
  addEventListener("online", net);
  addEventListener("offline", net);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void push(true);
  });
  setInterval(() => {
    now.value = Date.now();
    void push();
  }, 2_000);
  void refresh().then(() => push(true));
  void prepare().then((ok) => (registered.value = ok));
  void navigator.storage?.persist?.().catch(() => false);
  if ("serviceWorker" in navigator && import.meta.env.PROD) navigator.serviceWorker.register("/citizen/sw.js", { scope: "/citizen/" }).catch(() => undefined);
}
