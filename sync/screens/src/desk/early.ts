// Keys that come before what they are about: "A V" while nobody has answered the claim yet, "J A" while
// the case is still being read. Each waits, in order, and is pressed again once the answer is there; when the
// answer is no, all of them are dropped and that is said. A fast hand loses no key unseen.
import { effect, signal, untracked } from "@preact/signals";
import { keyOf, type Keymap } from "../lib/keys";
import { acting, chosen, detail, trouble } from "./state";
import { t } from "./words";

/** Keys that wait, in order. */
export const early = signal<readonly string[]>([]);
/** Keys that were dropped, and why; null once somebody has read it. */
export const dropped = signal<{ keys: readonly string[]; why: string } | null>(null);

/** More nobody presses before he looks up. */
const most = 16;
/** How long a key waits at most, milliseconds. */
const patience = 20_000;

let replaying = false, draining = false;
let about: string | null = null;
let limit: ReturnType<typeof setTimeout> | undefined;

/** Something that was begun for the chosen incident has no answer yet. */
const awaited = (): boolean => chosen.value !== null && (detail.value?.id !== chosen.value || acting.value.includes(chosen.value));

function wait(k: string): void {
  if (early.peek().length >= most) return drop(t("early_many"));
  if (!early.peek().length) {
    about = chosen.peek();
    clearTimeout(limit);
    limit = setTimeout(() => early.peek().length && drop(t("early_late")), patience);
  }
  early.value = replaying ? [k, ...early.peek()] : [...early.peek(), k];
}

function drop(why: string): void {
  const keys = early.peek();
  early.value = [];
  if (keys.length) dropped.value = { keys, why };
}

/** The keys of a desk, of which none is lost: one that is refused while something is awaited waits for it. A handler that gives false refuses. */
export function patient(map: Record<string, () => unknown>): Keymap {
  return Object.fromEntries(Object.entries(map).map(([k, f]) => [k, () => {
    const r = f();
    if ((r === false || r === null) && awaited()) wait(k);
    else if (r === false && replaying) trouble.value = t("early_unfit", { k });
  }]));
}

const turn = (): Promise<void> => new Promise((done) => setTimeout(done)); // the screen follows within it

async function drain(): Promise<void> {
  if (draining) return;
  draining = true;
  for (await turn(); early.peek().length && !untracked(awaited); await turn()) {
    if (chosen.peek() !== about) drop(t(chosen.peek() ? "early_other" : "gone"));
    else if (trouble.peek()) drop(trouble.peek());
    const [k, ...rest] = early.peek();
    if (!k) break;
    early.value = rest;
    replaying = true;
    (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true }));
    replaying = false;
    about = chosen.peek();
  }
  draining = false;
}

/** Hears what is pressed while keys wait: behind them in order; Escape drops them. To be called before any other key is heard; the answer ends it. */
export function hearEarly(): () => void {
  const press = (e: KeyboardEvent): void => {
    const k = keyOf(e);
    if (replaying || !early.peek().length || !(k.length === 1 || k === "Enter" || k === "Escape")) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if (e.repeat) return;
    if (k === "Escape") early.value = [];
    else wait(k);
  };
  addEventListener("keydown", press, { capture: true });
  const end = effect(() => void (early.value.length && !awaited() && untracked(() => void drain())));
  return () => {
    removeEventListener("keydown", press, { capture: true });
    end();
    early.value = [];
  };
}
