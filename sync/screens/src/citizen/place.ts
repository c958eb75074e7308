// Where the person is: up to eight seconds of fixes, the best one kept. It is the
// place of the capture and is never taken again when the report goes out later.
import { signal } from "@preact/signals";

export interface Fix { lat: number; lon: number; accuracy: number; at: number }
export type Looking = "idle" | "looking" | "done" | "denied";

const longest = 8_000;
/** A fix as good as this ends the search, metres. */
const good = 15;

export const fix = signal<Fix | undefined>(undefined);
export const looking = signal<Looking>("idle");
export const lookedAt = signal(0);

let watch: number | undefined;
let end: ReturnType<typeof setTimeout> | undefined;

function stop(state: Looking): void {
  if (watch !== undefined) navigator.geolocation.clearWatch(watch);
  clearTimeout(end);
  watch = undefined;
  looking.value = state;
}

/** Starts a search; a running one goes on. anew forgets the fix that there is. */
export function look(anew = false): void {
  if (watch !== undefined) return;
  if (!("geolocation" in navigator)) {
    looking.value = "denied";
    return;
  }
  if (anew || (fix.value && Date.now() - fix.value.at > 120_000)) fix.value = undefined;
  looking.value = "looking";
  lookedAt.value = Date.now();
  end = setTimeout(() => stop("done"), longest);
  watch = navigator.geolocation.watchPosition(
    (p) => {
      const f = { lat: p.coords.latitude, lon: p.coords.longitude, accuracy: Math.ceil(p.coords.accuracy), at: p.timestamp };
      if (!fix.value || f.accuracy <= fix.value.accuracy) fix.value = f;
      if (f.accuracy <= good) stop("done");
    },
    (e) => stop(e.code === e.PERMISSION_DENIED ? "denied" : "done"),
    { enableHighAccuracy: true, maximumAge: 5_000, timeout: longest },
  );
}

/** Metres on the ground for one degree of latitude. */
const degree = 111_320;

/** A fix moved by metres to the east and to the north. */
export const moved = (f: Fix, east: number, north: number): { lat: number; lon: number } => ({
  lat: f.lat + north / degree,
  lon: f.lon + east / (degree * Math.cos((f.lat * Math.PI) / 180)),
});

export const compass = ["n", "ne", "e", "se", "s", "sw", "west", "nw"] as const;
/** The nearest of eight directions. */
export const bearing = (east: number, north: number): (typeof compass)[number] =>
  compass[Math.round(((Math.atan2(east, north) * 180) / Math.PI + 360) / 45) % 8]!;
