// Small parts of the desk.
import type { JSX } from "preact";
import { nodeNow, now, span } from "../lib/clock";
import type { Incident, Place, Row } from "../lib/api";
import { due, metres } from "./order";
import { stream } from "../lib/live";
import { silentUnits, unit, unitName } from "./state";
import { t, type Word } from "./words";

/** Age up to the deadline, then QUÁ HẠN. */
export function Due(p: { row: Row }): JSX.Element {
  void now.value;
  const at = nodeNow();
  const d = due(p.row, unit.value);
  if (d && at > d.at) return <b class="overdue">{t("overdue", { age: span(at - d.at) })}</b>;
  const age = p.row.received_at ? span(at - Date.parse(p.row.received_at)) : "?";
  return (
    <span class="due">
      {age}
      {d && d.at - at < 86_400_000 && <span class="dim"> / {t(`step_${d.step}` as Word)} {span(d.at - Date.parse(p.row.received_at ?? ""))}</span>}
    </span>
  );
}

/** Who has it in other units: a holder's name shows on every desk; and of which nothing is known now, because their station is silent. Departments go by their code, as everybody says it. */
export function Elsewhere(p: { told: readonly { unit: string; holder?: string | undefined }[] }): JSX.Element {
  const quiet = silentUnits.value;
  return <>{p.told.map((u) => quiet.has(u.unit) && <span key={`? ${u.unit}`} class="tag quiet" title={t("station_quiet_hint")}>? {unitName(u.unit)} · {t("station_quiet", { age: quiet.get(u.unit) ? span(now.value - quiet.get(u.unit)!) : "?" })}</span>)}{p.told.map((u) => u.holder && u.unit !== unit.value && <span key={u.unit} class="tag holder" title={unitName(u.unit)}>{u.holder} · {/^P/.test(u.unit) ? u.unit : unitName(u.unit)}</span>)}</>;
}
/** Nobody of this unit has it, and whether somebody of another has. */
export const nobodyHere = (told: readonly { unit: string; holder?: string | undefined }[]): string => t(told.some((u) => u.holder && u.unit !== unit.value) ? "unclaimed_here" : "unclaimed");

/** Whether the city has all of it. */
export function Delivery(p: { pending: number | undefined }): JSX.Element {
  if (stream.value !== "live") return <span class="tag">?</span>;
  return p.pending ? <span class="tag pending" title={t("pending", { n: p.pending })}>⇡ {p.pending}</span> : <span class="tag" title={t("at_city")}>✓</span>;
}

const kinds = ["report", "repeat", "signal", "status", "routed", "missed", "suggested", "void", "tick", "alarm", "rules", "wards", "activate", "account", "opened", "erasure"];
export const kindWord = (k: string): string => t((kinds.includes(k) ? `k_${k}` : k) as Word);

/** "false:prank" in words. */
export function reasonWord(reason: string | undefined): string {
  if (!reason) return "";
  const [head, tail] = reason.split(":");
  const known: Record<string, Word> = { true: "true", doubtful: "doubtful", false: "false", duplicate: "duplicate", timeout: "timed_out" };
  if (head === "check") return t(`check_${tail}` as Word);
  if (head && known[head]) return t(known[head]) + (tail ? ` – ${t(`r_${tail}` as Word)}` : "");
  if (head === "call") return t(`o_${tail}` as Word);
  if (head === "park") return t(`park_reason_${tail}` as Word);
  if (head === "message") return t("message");
  if (head === "taken") return t("taken", { how: t(`by_${tail}` as Word) });
  return reason;
}

/** What of an incident says whether another is the same. */
export interface Seen { category?: string | undefined; place?: Place | undefined; at: number }
export const seenOf = (i: Incident): Seen => ({ category: i.category, place: i.place, at: Date.parse(i.reports[0]?.received_at ?? "") });

/** How far two incidents are from each other, in words. */
export function apart(a: Seen, b: Seen): string {
  const age = span(Math.abs(a.at - b.at));
  const kind = t(a.category === b.category ? "same_kind" : "other_kind");
  return a.place && b.place ? t("apart", { m: Math.round(metres(a.place, b.place)), age, kind }) : t("apart_noplace", { age, kind });
}

/** What an officer reads first of an incident. */
export function headline(i: Incident): string {
  return i.summary || i.reports[0]?.sealed?.text || "";
}
