// The warnings that hold where this phone is at home: asked for while somebody looks,
// kept for when the network is gone, taken down when they expire, and honest about their age.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { left, textIn, type Asked, type Warning } from "../lib/alerts";
import { dated } from "../lib/clock";
import { lang, words } from "../lib/i18n";
import { now } from "./model";
import { ward } from "./store";

const a = words(
  { warning: "Cảnh báo", until: "Còn hiệu lực đến {at}", as_of: "Theo tin nhận lúc {at}; hiện chưa hỏi lại được.", what_to_do: "Việc cần làm", area: "Khu vực" },
  { warning: "Warning", until: "In force until {at}", as_of: "As received at {at}; it could not be asked again.", what_to_do: "What to do", area: "Area" },
);

interface Heard extends Asked { items: Warning[] }

/** How often they are asked for while the page is looked at, and what is older says its age, milliseconds. */
const every = 60_000, old = 150_000;
const key = "warnings";

const kept = (): Heard | undefined => {
  try {
    const v = JSON.parse(localStorage.getItem(key) ?? "null") as Heard | null;
    return v && Array.isArray(v.items) ? v : undefined;
  } catch {
    return undefined; // no storage, or nothing of ours in it
  }
};
export const heard = signal<Heard | undefined>(kept());

async function ask(): Promise<void> {
  const w = await ward();
  const r = await fetch(`/api/v1/alerts${w ? `?ward=${w}` : ""}`, { credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(15_000) });
  if (!r.ok) return;
  const v = (await r.json()) as { at: string; items: Warning[] };
  if (!Array.isArray(v.items)) return; // a captive portal's page
  heard.value = { at: v.at, here: Date.now(), items: v.items };
  try {
    localStorage.setItem(key, JSON.stringify(heard.value));
  } catch {
    /* shown as long as the page is open */
  }
}

/** Asks now, when the page is looked at again, when the network is back, and once a minute. */
export function followAlerts(): void {
  const now = (): void => {
    if (document.visibilityState === "visible") ask().catch(() => undefined); // its age says it
  };
  now();
  addEventListener("online", now);
  document.addEventListener("visibilitychange", now);
  setInterval(now, every);
}

export function AlertBanner(): JSX.Element | null {
  void now.value;
  const h = heard.value;
  const here = Date.now();
  const list = (h?.items ?? []).filter((x) => left(x, h!, here) > 0);
  if (!h || !list.length) return null;
  return (
    <section class="warnings" aria-label={a("warning")} data-testid="warnings">
      {list.map((x) => {
        const t = textIn(x.alert.info, lang.value);
        if (!t) return null;
        return (
          <article key={x.id} class="warning" lang={t.language}>
            <h2><span aria-hidden="true">⚠</span> {t.headline || t.event}</h2>
            {t.description && <p>{t.description}</p>}
            {t.instruction && <p><b>{a("what_to_do")}:</b> {t.instruction}</p>}
            {t.areas?.[0] && <p class="small">{a("area")}: {t.areas[0].desc}</p>}
            <p class="small"><b>{a("until", { at: dated(Date.parse(x.expires)) })}</b>{here - h.here > old ? ` – ${a("as_of", { at: dated(Date.parse(h.at)) })}` : ""}</p>
          </article>
        );
      })}
    </section>
  );
}
