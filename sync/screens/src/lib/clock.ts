// Time as a duty desk needs it: the node's clock, not the PC's, because an age
// decides whether a deadline is missed; and one tick a second for all ages.
import { signal } from "@preact/signals";
import { lang } from "./i18n";

let offset = 0; // the node's clock minus this browser's, milliseconds
let best = Infinity;

/** Takes a node's time out of a heartbeat; the one with the least delay counts, for a minute. */
export function heardTime(at: string): void {
  const d = Date.parse(at) - Date.now(); // at most the true offset: the message took its time
  if (Number.isNaN(d)) return;
  const age = performance.now();
  if (best === Infinity || d > offset || age - best > 60_000) {
    offset = d;
    best = age;
  }
}

/** The node's time, in milliseconds since the Unix epoch. */
export const nodeNow = (): number => Date.now() + offset;

/** The node's time, once a second; ages follow it. */
export const now = signal(Date.now());

setInterval(() => {
  now.value = nodeNow();
}, 1000);

/** A span as people read it: 45 s reads 0:45, an hour 1:00:00, two days 2 ngày 3 giờ. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 86_400) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  const [d, h] = [Math.floor(s / 86_400), Math.floor(s / 3600) % 24];
  return lang.value === "vi" ? `${d} ngày${h ? ` ${h} giờ` : ""}` : `${d} d${h ? ` ${h} h` : ""}`;
}

const zone = "Asia/Ho_Chi_Minh";
const formats = new Map<string, Intl.DateTimeFormat>();
function format(kind: string, o: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = lang.value + kind;
  let f = formats.get(key);
  if (!f) formats.set(key, (f = new Intl.DateTimeFormat(lang.value === "vi" ? "vi-VN" : "en-GB", { timeZone: zone, hour12: false, ...o })));
  return f;
}

/** hh:mm:ss in the city's time. */
export const clock = (t: number | string): string => format("c", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(t));
/** Day and time in the city's time. */
export const dated = (t: number | string): string =>
  format("d", { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(t));
