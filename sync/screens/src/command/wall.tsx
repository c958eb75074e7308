// The wall: what a whole room sees, without a control. Nothing on it is smaller than 28 px.
import type { JSX } from "preact";
import { clock, nodeNow, now, span } from "../lib/clock";
import { e, running } from "../lib/exercises";
import { stream } from "../lib/live";
import { priorities } from "../lib/api";
import { LinePill, PriorityMark, StreamState } from "../lib/ui";
import { w } from "../lib/words";
import { incidents, unitName, wanted } from "../desk/state";
import { CityView } from "./cityview";
import { missed } from "./figures";
import { stationsOld } from "./panes";
import { silentStations } from "./state";
import { c } from "./words";

export function Wall(): JSX.Element {
  void now.value;
  const at = nodeNow();
  const rows = incidents.list().filter((r) => !r.exercise); // practice is not counted
  const late = missed(rows, at);
  return (
    <div class={`wall ${stream.value === "live" ? "" : "stale"}`}>
      <header class="top"><h1>{c("title")}</h1><LinePill /><StreamState />{running.value.map((x) => <b key={x.id} class="tag practice">{e("exercise_of", { name: x.name })}</b>)}<span class="grow" /><time class="now">{clock(at)}</time></header>
      <main class="wallbody">
        <CityView controls={false} />
        <section class="panel counts" aria-label={c("open_n", { n: rows.length })}>
          <ul class="big">{priorities.map((p) => <li key={p}><PriorityMark of={p} /> <b>{rows.filter((r) => r.priority === p).length}</b></li>)}</ul>
          <p><b>{late.length}</b> {c("missed")} · <b>{stationsOld() ? "?" : silentStations.value.size}</b> {c("silent_n", { n: "" }).trim()}</p>
          <ol>
            {wanted.value.slice(0, 24).map((r) => (
              <li key={r.id} class={`line ${r.priority ?? ""} ${r.exercise ? "practice" : ""}`}>
                <PriorityMark of={r.priority} /> {r.exercise && <b class="tag practice">{e("exercise")}</b>} <b>{r.category && w(r.category)}</b> {unitName(r.lead)}
                {late.some((x) => x.row === r) && <b class="overdue">{w("overdue", { age: span(at - late.find((x) => x.row === r)!.at) })}</b>}
                <span class="dim">{r.told.find((u) => u.holder)?.holder ?? c("unclaimed")} · {span(at - Date.parse(r.received_at ?? ""))}</span>
              </li>
            ))}
          </ol>
        </section>
      </main>
    </div>
  );
}
