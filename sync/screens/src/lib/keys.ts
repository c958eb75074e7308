// Keys of a desk. Off while somebody types, and while an input method composes:
// with Telex "aa" must never claim an incident.
import { useLayoutEffect, useRef } from "preact/hooks";

/** A letter as printed on the button, "/" or "?", mapped to what it does. */
export type Keymap = Record<string, () => void>;

const typing = (t: EventTarget | null): boolean =>
  t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName)) && !(t instanceof HTMLInputElement && /^(checkbox|radio|button)$/.test(t.type));

/** What a key event means for a desk, or "" when it is not for us. */
export function keyOf(e: Pick<KeyboardEvent, "key" | "isComposing" | "ctrlKey" | "metaKey" | "altKey" | "repeat" | "target"> & { keyCode?: number }): string {
  if (e.isComposing || e.keyCode === 229 || e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return "";
  return e.key.length === 1 ? e.key.toUpperCase() : e.key;
}

/** Keys whose repetition by holding is wanted. */
const repeats = new Set(["J", "K", "ArrowDown", "ArrowUp"]);

/**
 * Hears keys until the answer is called. It hears them before anything in the page does: what stands
 * open at that moment decides, so the key that closes a dialog never reaches the list behind it, and
 * the next one always does, however soon it comes. map: the newest, asked at each key.
 */
export function hear(from: EventTarget, map: () => Keymap, dialog: () => boolean): () => void {
  const press = (e: Event): void => {
    const k = keyOf(e as KeyboardEvent);
    const f = k ? map()[k] : undefined;
    if (!f || ((e as KeyboardEvent).repeat && !repeats.has(k)) || dialog()) return;
    e.preventDefault();
    f();
  };
  from.addEventListener("keydown", press, { capture: true });
  return () => from.removeEventListener("keydown", press, { capture: true });
}

const none: Keymap = {};

/** The keys of the component that calls it, as long as it is shown. on: false while they rest. */
export function useKeys(map: Keymap, on = true): void {
  const newest = useRef(map);
  newest.current = on ? map : none;
  useLayoutEffect(() => hear(window, () => newest.current, () => document.querySelector("dialog[open]") !== null), []);
}
