// Keys of a desk. Off while somebody types, and while an input method composes:
// with Telex "aa" must never claim an incident.
import { useEffect } from "preact/hooks";

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

export function useKeys(map: Keymap, on = true): void {
  useEffect(() => {
    if (!on) return;
    const press = (e: KeyboardEvent): void => {
      const k = keyOf(e);
      const f = k ? map[k] : undefined;
      if (!f || (e.repeat && !repeats.has(k)) || document.querySelector("dialog[open]")) return;
      e.preventDefault();
      f();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}
