// The wall: what a whole room sees, without a control. Nothing on it is smaller than 28 px.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, nodeNow, now, span } from "../lib/clock";
import { e, running } from "../lib/exercises";
import { stream } from "../lib/live";
import { priorities } from "../lib/api";
import { LinePill, PriorityMark, StreamState } from "../lib/ui";
import { w } from "../lib/words";
import { incidents, silentUnits, unitName, wanted } from "../desk/state";
import { t } from "../desk/words";
import { CityView } from "./cityview";
import { missed } from "./figures";
import { stationsOld } from "./panes";
import { silentStations } from "./state";
import { c } from "./words";

/** More rows than this no wall has room for. */
const most = 24;

export function Wall(): JSX.Element {
  void now.value;
  const at = nodeNow();
  const rows = incidents.list().filter((r) => !r.exercise); // practice is not counted
  const late = missed(rows, at);
  const list = useRef<HTMLOListElement>(null);
  const [fit, setFit] = useState(most);
  const shown = wanted.value.slice(0, fit).map((r) => r.id).join();
  useEffect(() => {
    const look = new ResizeObserver(() => {
      const rows = [...(list.current?.querySelectorAll("li") ?? [])];
      if (!rows.length) return;
      const high = Math.max(...rows.map((x) => x.offsetHeight)) + parseFloat(getComputedStyle(rows[0]!).marginBottom);
      setFit(Math.max(1, Math.min(most, Math.floor(list.current!.clientHeight / high))));
    });
    look.observe(list.current!);
    for (const x of list.current!.querySelectorAll("li")) look.observe(x); // a font that comes late makes them higher
    return () => look.disconnect();
  }, [shown]);
  return (
    <div class={`wall ${stream.value === "live" ? "" : "stale"}`}>
      <header class="top"><h1>{c("title")}</h1><LinePill /><StreamState />{running.value.map((x) => <b key={x.id} class="tag practice">{e("exercise_of", { name: x.name })}</b>)}<span class="grow" /><time class="now">{clock(at)}</time></header>
      <main class="wallbody">
        <CityView controls={false} />
        <section class="panel counts" aria-label={c("open_n", { n: rows.length })}>
          <ul class="big">{priorities.map((p) => <li key={p}><PriorityMark of={p} /> <b>{rows.filter((r) => r.priority === p).length}</b></li>)}</ul>
          <p><b>{late.length}</b> {c("missed")} · <b>{stationsOld() ? "?" : silentStations.value.size}</b> {c("silent_n", { n: "" }).trim()}</p>
          <ol class="list" ref={list}>
            {wanted.value.slice(0, fit).map((r) => {
              const quiet = silentUnits.value.get(r.lead ?? "");
              const missed = late.find((x) => x.row === r);
              return (
                <li key={r.id} class={`line ${r.priority ?? ""} ${r.exercise ? "practice" : ""}`}>
                  <span class="kind"><PriorityMark of={r.priority} /> {r.exercise && <b class="tag practice">{e("exercise")}</b>} <b>{r.category && w(r.category)}</b></span>
                  {missed ? <b class="overdue">{w("overdue", { age: span(at - missed.at) })}</b> : <span class="late">{span(at - Date.parse(r.received_at ?? ""))}</span>}
                  <span>{unitName(r.lead)}</span>
                  <span class={`held ${quiet === undefined ? "dim" : "tag quiet"}`}>{quiet === undefined ? (r.told.find((u) => u.holder)?.holder ?? c("unclaimed")) : `? ${t("station_quiet", { age: quiet ? span(at - quiet) : "?" })}`}</span>
                </li>
              );
            })}
          </ol>
          {wanted.value.length > fit && <p class="more"><b>{c("more_n", { n: wanted.value.length - fit })}</b></p>}
        </section>
      </main>
    </div>
  );
}
