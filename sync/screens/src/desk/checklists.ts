// What must be settled before an incident of a category is closed. Data: the
// owner's work rules decide; the ids stand in the record and must not change meaning.
import type { Category } from "../lib/api";

export const checklists = {
  panic: ["person_reached", "person_safe", "told_reporter"],
  fire: ["called_114", "trapped_checked", "power_gas_off", "told_reporter"],
  emergency: ["called_rescue", "person_safe", "told_reporter"],
  medical: ["called_115", "person_handed_over", "told_reporter"],
  crime: ["victim_safe", "scene_kept", "statement_taken"],
  traffic_accident: ["injured_checked", "scene_kept", "road_clear"],
  security: ["parties_heard", "record_written"],
  feedback: ["answered", "told_reporter"],
} as const satisfies Record<Category, readonly string[]>;

export type CheckID = (typeof checklists)[Category][number];

/** The reason of the note that ticks an item. */
export const tick = (id: CheckID): string => `check:${id}`;

/** Items that were ticked, with the entry that did, out of the incident's timeline. */
export function ticked(timeline: readonly { entry: string; kind: string; value?: string; withdrawn?: boolean }[]): Map<string, string> {
  const out = new Map<string, string>();
  for (const t of timeline) if (t.kind === "note" && !t.withdrawn && t.value?.startsWith("check:")) out.set(t.value.slice(6), t.entry);
  return out;
}

/** What is left to do. A report that is false or told twice needs no list. */
export function open(category: Category | undefined, verdict: string | undefined, done: ReadonlyMap<string, string>): CheckID[] {
  const v = verdict?.split(":")[0];
  if (!category || v === "false" || v === "duplicate") return [];
  return checklists[category].filter((id) => !done.has(id));
}
