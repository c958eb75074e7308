// What the command centre knows beside the queue: stations, and the last day's rows.
import { computed, effect, signal } from "@preact/signals";
import { get, type Page, type Station } from "../lib/api";
import { now } from "../lib/clock";
import { Incidents } from "../lib/store";
import { filter, incidents, silentUnits } from "../desk/state";
import { byWard, silent } from "./figures";

export const stations = signal<readonly Station[]>([]);
/** When they were read, by this browser; 0: not yet. */
export const stationsAt = signal(0);
/** A list older than this is no longer the present, milliseconds. */
export const stationsFresh = 15_000;

export const wardStates = computed(() => byWard(incidents.list()));
export const silentStations = computed(() => silent(stations.value));

effect(() => {
  silentUnits.value = new Map([...silentStations.value].map(([ward, s]) => [`ward/${ward}`, s.last_heard ? Date.parse(s.last_heard) : 0]));
});

const day = 86_400_000;
let dayRows: Incidents | undefined;
/** Every row of the last 24 hours, read when somebody first looks. */
export function lastDay(): { rows: ReturnType<Incidents["list"]>; at: number } {
  if (!dayRows) {
    const from = new Date(Date.now() - day).toISOString();
    dayRows = new Incidents(`/api/v1/incidents?since=${encodeURIComponent(from)}&limit=1000`);
    dayRows.start();
  }
  const at = now.value;
  return { rows: dayRows.list().filter((r) => !r.exercise && at - Date.parse(r.received_at ?? "") < day), at: dayRows.filledAt.value };
}

/** Filters the list by a ward, or ends that. */
export const ofWard = (code: string): void => {
  filter.value = filter.value === `ward/${code}` ? "" : `ward/${code}`;
};

/** Reads the stations for as long as the screen is open. */
export function follow(): () => void {
  let on = true;
  const read = async (): Promise<void> => {
    try {
      const p = await get<Page<Station>>("/api/v1/stations");
      if (on) {
        stations.value = p.items;
        stationsAt.value = Date.now();
      }
    } catch {
      /* the list's age says it */
    }
  };
  void read();
  const timer = setInterval(() => void read(), 5000);
  return () => {
    on = false;
    clearInterval(timer);
  };
}
