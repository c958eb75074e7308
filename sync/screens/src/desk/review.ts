// After a cut: what each side did meanwhile, and what contradicts.
import type { Incident, TimelineEntry } from "../lib/api";

/** A time during which the line to the city was lost, milliseconds. */
export interface Cut { from: number; to: number }

export interface Reviewed {
  incident: Incident;
  /** Entries made here while the line was cut. */
  here: TimelineEntry[];
  /** Entries made elsewhere meanwhile. */
  there: TimelineEntry[];
  /** Something needs an officer: values that contradict, two holders, work beside a close. */
  conflict: boolean;
}

/** The clocks of two places differ; what is this near to the cut belongs to it. */
const slack = 5000;

/** What happened to an incident during a cut; null: nothing on either side. */
export function review(i: Incident, cut: Cut, origin: string): Reviewed | null {
  const within = (t: TimelineEntry): boolean => {
    const at = Date.parse(t.received_at ?? t.at);
    return at >= cut.from - slack && at <= cut.to + slack;
  };
  const people = (t: TimelineEntry): boolean => !["routed", "missed", "suggested", "status", "tick", "repeat"].includes(t.kind);
  const during = i.timeline.filter((t) => people(t) && within(t));
  const here = during.filter((t) => t.origin === origin);
  const there = during.filter((t) => t.origin !== origin);
  const rivals = i.units.some((u) => (u.other_claims?.length ?? 0) > 0);
  const conflict = i.conflicts.length > 0 || rivals || (i.after_close?.length ?? 0) > 0;
  if (here.length === 0 && there.length === 0 && !conflict) return null;
  return { incident: i, here, there, conflict };
}

/** Conflicts first, then where both sides worked, then the rest. */
export function sorted(list: Reviewed[]): Reviewed[] {
  const weight = (r: Reviewed): number => (r.conflict ? 4 : 0) + (r.here.length && r.there.length ? 2 : 0) + (r.there.length ? 1 : 0);
  return [...list].sort((a, b) => weight(b) - weight(a));
}
