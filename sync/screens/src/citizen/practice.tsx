// The page while it is part of an exercise: opened by the exercise's own link, until it is
// closed or somebody says that something real has happened.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { e } from "../lib/exercises";

const named = new URLSearchParams(location.search).get("exercise");

/** The exercise that this page's reports name; undefined: they are real. It ends with the page. */
export const practice = signal<string | undefined>(named && /^[0-9a-f-]{36}$/.test(named) ? named : undefined);

export function Practice(): JSX.Element | null {
  if (!practice.value) return null;
  const leave = (): void => {
    practice.value = undefined;
    history.replaceState(null, "", location.pathname + location.hash); // a reload does not bring it back
  };
  return <div class="banner practice" role="status" data-testid="practice"><p><b>{e("citizen")}</b></p><button type="button" class="btn" onClick={leave}>{e("citizen_leave")}</button></div>;
}

/** Beside a report that was sent as practice. */
export const PracticeMark = (p: { body: { exercise?: string } }): JSX.Element | null => (p.body.exercise ? <b class="practice-mark">{e("citizen_mark")}</b> : null);
