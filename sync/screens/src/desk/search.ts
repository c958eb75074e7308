// Search over every incident that this node holds: what is asked, what came of it, and
// whether something may be missing.
import { batch, effect, signal, untracked } from "@preact/signals";
import { get, Problem, type Category, type ID, type Priority, type Row } from "../lib/api";
import { me } from "../lib/session";
import { choose, explain, filter, incidents } from "./state";

export type FoundIn = "id" | "summary" | "text" | "place" | "note" | "category" | "unit" | "officer" | "patrol" | "device";
export interface Snippet { field: FoundIn; parts: { text: string; hit?: boolean }[] }
export interface Found { row: Row; found: Snippet[] }
export interface IndexState { state: "ready" | "behind" | "building" | "closed"; position: number; of: number }
interface Answer { items: Found[]; next: string | null; index: IndexState }

export interface Narrow { category: Category | ""; priority: Priority | ""; status: "" | "open" | "closed"; days: 0 | 1 | 7 | 30 }
export const narrow = signal<Narrow>({ category: "", priority: "", status: "", days: 0 });

export const hits = signal<Found[]>([]);
export const index = signal<IndexState | null>(null);
export const more = signal<string | null>(null);
/** When the shown answer came, milliseconds of this browser; 0: none. */
export const answeredAt = signal(0);
export const refused = signal("");
export const asking = signal(false);
/** The chosen line of the answer, or -1. */
export const at = signal(-1);

/** Until the hand rests, and until what changed is asked again, milliseconds. */
const settle = 250;
const again = 1500;

/** What a line of the search box asks; null: nothing. "ward/26704" in it names a ward. */
export function question(text: string, n: Narrow, now: number): string | null {
  const ward = /(?:^|\s)ward\/(\d{5})(?=\s|$)/.exec(text);
  const q = text.replace(ward?.[0] ?? "", " ").trim();
  if ([...q].length < 2) return null;
  const p = new URLSearchParams({ q });
  if (ward) p.set("ward", ward[1]!);
  if (n.category) p.set("category", n.category);
  if (n.priority) p.set("priority", n.priority);
  if (n.status) p.set("status", n.status);
  if (n.days) p.set("from", new Date(now - n.days * 86_400_000).toISOString());
  return p.toString();
}

let turn = 0;
async function ask(q: string, cursor = ""): Promise<void> {
  const mine = ++turn;
  asking.value = true;
  try {
    const a = await get<Answer>(`/api/v1/search?${q}${cursor && "&cursor=" + encodeURIComponent(cursor)}`);
    if (mine !== turn) return;
    batch(() => {
      const chosen = hits.value[at.value]?.row.id;
      hits.value = cursor ? [...hits.value, ...a.items] : a.items;
      at.value = chosen ? hits.value.findIndex((h) => h.row.id === chosen) : -1;
      more.value = a.next;
      index.value = a.index;
      answeredAt.value = Date.now();
      refused.value = "";
    });
    if (a.index.state !== "ready" && !cursor) later(again);
  } catch (e) {
    if (mine !== turn) return;
    refused.value = explain(e);
    if (e instanceof Problem && e.later) later((e.retryAfter ?? 2) * 1000);
  } finally {
    if (mine === turn) asking.value = false;
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;
function later(ms: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const q = question(filter.peek(), narrow.peek(), Date.now());
    if (q && me.peek()) void ask(q);
  }, ms);
}

function clear(): void {
  turn++;
  clearTimeout(timer);
  batch(() => {
    hits.value = [];
    index.value = null;
    more.value = null;
    answeredAt.value = 0;
    refused.value = "";
    asking.value = false;
    at.value = -1;
  });
}

/** Whether the box asks for something. */
export const searching = signal(false);
effect(() => {
  const q = me.value ? question(filter.value, narrow.value, Date.now()) : null;
  searching.value = q !== null;
  untracked(() => (q === null ? clear() : later(settle)));
});

/** Asks again soon when something that is shown changed. */
incidents.changed.add((id: ID) => {
  if (searching.peek() && hits.peek().some((h) => h.row.id === id)) later(again);
});

export function readMore(): void {
  const q = question(filter.value, narrow.value, Date.now());
  if (q && more.value) void ask(q, more.value);
}

/** To the next line of the answer, or the one before. */
export function step(by: 1 | -1): void {
  const n = hits.value.length;
  if (n) at.value = Math.min(n - 1, Math.max(0, at.value + by));
}

/** Opens a line; false when none is chosen. */
export function openHit(n: number): boolean {
  const h = hits.value[n];
  if (!h) return false;
  at.value = n;
  choose(h.row.id);
  return true;
}
