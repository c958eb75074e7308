// Below the map: who can be sent, whom to call, and what is parked until when.
import type { JSX } from "preact";
import { nodeNow, now, span } from "../lib/clock";
import { stream } from "../lib/live";
import { Age, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import { choose, contacts, incidents, out, outAt, parkedRows, unit, unitName } from "./state";
import { t } from "./words";

/** This unit's patrols with where they are, then every other number: telephone and radio. */
export function Contacts(): JSX.Element {
  const away = out.value;
  const stale = stream.value !== "live";
  return (
    <ul class="cards contacts">
      {contacts.value.filter((c) => c.kind === "patrol" && c.unit === unit.value).map((c) => {
        const o = away.get(c.id);
        return (
          <li key={c.id} class="card">
            <b>{c.name}</b>
            <span class="tag">{stale ? "?" : o ? t(o.onScene ? "on_scene" : "out_to") : t("free")}</span>
            {o && <button type="button" class="link" onClick={() => choose(o.incident)}>{o.incident.slice(0, 8)}</button>}
            <span class="nowrap">{c.phone && <a href={`tel:${c.phone}`}>{c.phone}</a>} {c.radio && <span>{t("radio")} {c.radio}</span>}</span>
          </li>
        );
      })}
      {contacts.value.filter((c) => c.kind !== "patrol" || c.unit !== unit.value).map((c) => (
        <li key={c.id} class="card quiet"><span>{c.name} {c.kind === "patrol" && <small class="dim">{unitName(c.unit)}</small>}</span><span class="nowrap">{c.phone && <a href={`tel:${c.phone}`}>{c.phone}</a>} {c.radio && <span>{t("radio")} {c.radio}</span>}</span></li>
      ))}
    </ul>
  );
}

/** What this unit has put off, and until when. */
export function ParkedList(): JSX.Element {
  void now.value;
  if (!parkedRows.value.length) return <p class="empty">{t("parked_none")}</p>;
  return (
    <ul class="cards">
      {parkedRows.value.map((r) => (
        <li key={r.id} class="card"><button type="button" class="link" onClick={() => choose(r.id)}><PriorityMark of={r.priority} /> {r.category && w(r.category)} {r.brief?.text}</button>
          <b>{t("back_in", { age: span(Date.parse(r.parked_until!) - nodeNow()) })}</b></li>
      ))}
    </ul>
  );
}

export function Strip(): JSX.Element {
  const stale = stream.value === "live" ? "" : "stale";
  return (
    <div class="strip">
      <section class={`panel ${stale}`} aria-label={t("patrols")}>
        <div class="head"><h2>{t("patrols")}</h2><Age at={outAt.value} /></div>
        <Contacts />
      </section>
      <section class={`panel ${stale}`} aria-label={t("parked")}>
        <div class="head"><h2>{t("parked")} <span class="dim">{parkedRows.value.length}</span></h2><Age at={incidents.filledAt.value} /></div>
        <ParkedList />
      </section>
    </div>
  );
}
