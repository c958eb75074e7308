// Whether the node has streets to draw. What draws them (streets.ts) is loaded only then.
import { signal } from "@preact/signals";
import { get } from "./api";

export interface Streets {
  state: "none" | "ready" | "broken"; problem?: string; version?: string; min_zoom: number; max_zoom: number;
  /** West, south, east, north, degrees. */
  bounds?: [number, number, number, number];
  layers?: string[]; credit?: string;
}

/** What the node says; null: not asked, or it did not answer. */
export const streets = signal<Streets | null>(null);
/** Some tile of a file that otherwise holds could not be read. */
export const brokenTiles = signal(false);

/** How often a screen looks whether the file was replaced, and how soon it asks again without an answer, milliseconds. */
const pace = 300_000, soon = 10_000;
let timer: ReturnType<typeof setTimeout> | undefined;
let maps = 0;

/** Asks while there is a map; gives what ends it. */
export function followStreets(): () => void {
  if (++maps === 1) void askStreets();
  return () => {
    if (--maps === 0) clearTimeout(timer);
  };
}

export async function askStreets(): Promise<void> {
  clearTimeout(timer);
  let wait = pace;
  try {
    const s = await get<Streets>("/api/v1/tiles");
    if (s.version !== streets.value?.version) brokenTiles.value = false;
    if (s.version !== streets.value?.version || s.state !== streets.value?.state) streets.value = s;
  } catch {
    wait = soon;
  }
  clearTimeout(timer);
  if (maps > 0) timer = setTimeout(() => void askStreets(), wait);
}
