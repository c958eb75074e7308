// Small parts of the citizen's page.
import type { ComponentChildren, JSX } from "preact";
import { lang } from "../lib/i18n";
import type { Category } from "../lib/api";
import { t } from "./words";

const numbers: Record<string, "c113" | "c114" | "c115"> = { "113": "c113", "114": "c114", "115": "c115" };

/** Which number helps with what. */
export const numberFor = (c: Category | undefined): string => (c === "fire" || c === "emergency" ? "114" : c === "medical" ? "115" : "113");

/** The emergency numbers; `big` when the telephone is the best that there is. */
export function Calls(p: { big?: boolean; only?: string }): JSX.Element {
  const list = Object.entries(numbers).filter(([n]) => !p.only || n === p.only);
  return (
    <nav class={`calls ${p.big ? "big" : ""}`} aria-label={t("call_now")}>
      {list.map(([n, word]) => <a key={n} class="call" href={`tel:${n}`}><b>{n}</b><span>{t(word)}</span></a>)}
    </nav>
  );
}

export function Card(p: { title: string; children: ComponentChildren; kind?: string }): JSX.Element {
  return <section class={`card ${p.kind ?? ""}`}><h2>{p.title}</h2>{p.children}</section>;
}

/** One of a few answers; a second press takes it back. */
export function Choice(p: { label: string; value: string | undefined; onPick: (v: string | undefined) => void }): JSX.Element {
  const options = ["yes", "no", "unknown"] as const;
  return (
    <fieldset class="choice">
      <legend>{p.label}</legend>
      {options.map((o) => (
        <button key={o} type="button" aria-pressed={p.value === o} onClick={() => p.onPick(p.value === o ? undefined : o)}>{t(o)}</button>
      ))}
    </fieldset>
  );
}

/** Hours and minutes of this phone, for "as of". */
export const hourOf = (ms: number): string =>
  new Intl.DateTimeFormat(lang.value === "vi" ? "vi-VN" : "en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(ms);
export const dayOf = (ms: number): string =>
  new Intl.DateTimeFormat(lang.value === "vi" ? "vi-VN" : "en-GB", { day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false }).format(ms);

const paths: Record<Category, string> = {
  fire: "M24 4c2 8 12 13 12 24a12 12 0 0 1-24 0c0-6 4-9 5-14 3 2 4 5 4 8 3-4 5-10 3-18z",
  emergency: "M24 6a18 18 0 1 0 0 36 18 18 0 0 0 0-36zm0 10a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM11 11l7 7m12 12 7 7M37 11l-7 7M18 30l-7 7",
  medical: "M19 6h10v13h13v10H29v13H19V29H6V19h13z",
  crime: "M24 4 8 10v12c0 11 7 18 16 22 9-4 16-11 16-22V10zm-2 10h4v13h-4zm0 16h4v4h-4z",
  traffic_accident: "M10 22l4-10h20l4 10 4 3v11h-6v4h-5v-4H17v4h-5v-4H6V25zm5 0h18l-2-6H17zm-3 6v4h5v-4zm19 0v4h5v-4z",
  security: "M24 8C13 8 5 20 4 24c1 4 9 16 20 16s19-12 20-16C43 20 35 8 24 8zm0 7a9 9 0 1 1 0 18 9 9 0 0 1 0-18zm0 5a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  feedback: "M6 8h36v24H22l-9 9v-9H6zm7 7v3h22v-3zm0 7v3h16v-3z",
  panic: "M24 4 2 44h44zm-2 14h4v13h-4zm0 16h4v4h-4z",
};

export function Picture(p: { of: Category }): JSX.Element {
  return <svg class="picture" viewBox="0 0 48 48" aria-hidden="true"><path fill-rule="evenodd" d={paths[p.of]} /></svg>;
}
