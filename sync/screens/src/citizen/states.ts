// The honest states of one report, as a list of steps.
import type { Kept } from "./store";
import type { t } from "./words";

export interface Step { word: Parameters<typeof t>[0]; done: boolean }

const coming = new Set(["dispatched", "on_scene"]);
const ended = new Set(["resolved", "closed"]);

/** Steps in order. A step that was passed over (the city took it before the ward could) is left out. */
export function steps(k: Kept): Step[] {
  const end = k.status !== undefined && ended.has(k.status);
  const all: Step[] = [
    { word: "s_kept", done: true },
    { word: "s_sent", done: k.sent === true || k.ward === true || k.city === true },
    { word: "s_ward", done: k.ward === true },
    { word: "s_city", done: k.city === true },
    { word: "s_seen", done: k.seen === true },
    { word: "s_coming", done: k.status !== undefined && coming.has(k.status) },
    { word: "s_done", done: end },
  ];
  const last = all.findLastIndex((s) => s.done);
  return all.filter((s, i) => s.done || i > last);
}

/** The last step that is true. */
export const latest = (k: Kept): Step["word"] => steps(k).findLast((s) => s.done)?.word ?? "s_kept";
