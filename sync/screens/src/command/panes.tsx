// Below the map, one at a time: stations, missed steps, the last day, the alarms' quality.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../lib/api";
import type { Statistics } from "./tally";
import { clock, nodeNow, now, span } from "../lib/clock";
import { stream } from "../lib/live";
import { wards } from "../lib/map";
import { Button, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import type { Category, Priority, Row } from "../lib/api";
import { choose, incidents, unitName } from "../desk/state";
import { t, type Word } from "../desk/words";
import { csv, missed, quality, tally, type Line } from "./figures";
import { lastDay, ofWard, stations, stationsAt, stationsFresh } from "./state";
import { c } from "./words";

export function Table(p: { head: string[]; children: ComponentChildren; label: string }): JSX.Element {
  return <table aria-label={p.label}><thead><tr>{p.head.map((x) => <th key={x} scope="col">{x}</th>)}</tr></thead><tbody>{p.children}</tbody></table>;
}

/** Whether what a station said is the present. */
export const stationsOld = (): boolean => stationsAt.value === 0 || Date.now() - stationsAt.value > stationsFresh;

export function Stations(): JSX.Element {
  const at = now.value;
  const old = stationsOld();
  const list = stations.value.filter((s) => s.connected || s.enrolment !== "revoked").sort((a, b) => Number(a.connected) - Number(b.connected) || (a.name < b.name ? -1 : 1));
  return (
    <div class={old ? "stale" : ""} data-testid="stations">
      <p class="dim small">{stationsAt.value ? c("asked_at", { time: clock(stationsAt.value) }) : c("no_answer")}</p>
      <Table label={c("stations")} head={[c("station"), c("line"), c("waits"), c("heard"), c("devices"), c("alarms")]}>
        {list.map((s) => {
          const quiet = (s.devices ?? []).filter((d) => d.silent_since).length;
          const up = s.connected && !old;
          return (
            <tr key={s.id} class={up ? "" : "stale"}>
              <th scope="row"><button type="button" class="link" onClick={() => ofWard(s.ward)}>{s.name || s.id}</button></th>
              <td><b>{old ? "?" : s.connected ? c("ok") : c("lost")}</b></td>
              <td>{up ? (s.health?.lag ?? s.line?.lag ?? "?") : "?"}</td>
              <td>{s.last_heard ? span(at - Date.parse(s.last_heard)) : "–"}</td>
              <td>{up ? `${(s.devices ?? []).length}${quiet ? ` · ${c("device_silent", { n: quiet })}` : ""}` : "?"}</td>
              <td>{(s.alarms ?? []).join("; ")}</td>
            </tr>
          );
        })}
      </Table>
    </div>
  );
}

/** The units of an incident, each with its progress and its holder. */
export function Progress(p: { row: Row }): JSX.Element {
  return <span class="tags">{p.row.told.map((u) => <span key={u.unit} class={`tag ${u.holder ? "holder" : ""}`}>{unitName(u.unit)}: {w(u.progress)}{u.holder ? ` (${u.holder})` : ""}</span>)}</span>;
}

export function Missed(): JSX.Element {
  void now.value;
  const at = nodeNow();
  const list = missed(incidents.list(), at).slice(0, 200);
  if (!list.length) return <p class="empty">{c("missed_none")}</p>;
  return (
    <Table label={c("missed")} head={[c("incident"), c("ward"), c("step"), c("late"), c("progress")]}>
      {list.map((m) => (
        <tr key={m.row.id + m.step}>
          <th scope="row"><button type="button" class="link" onClick={() => choose(m.row.id)}><PriorityMark of={m.row.priority} /> {m.row.category && w(m.row.category)}</button></th>
          <td>{unitName(m.row.lead)}</td><td>{t(`step_${m.step}` as Word)}</td><td><b class="overdue">+{span(at - m.at)}</b></td><td><Progress row={m.row} /></td>
        </tr>
      ))}
    </Table>
  );
}

export const percent = (a: number, of: number): string => (of ? `${Math.round((100 * a) / of)} %` : "–");
const hourOf = (r: Row): string | undefined => (r.received_at ? clock(r.received_at).slice(0, 2) : undefined);

/** The table as files: a workbook for people, RFC 4180 for programs. */
export function Files(p: { name: string; rows: () => (string | number)[][] }): JSX.Element {
  return (
    <>
      <Button title={c("xlsx_hint")} onClick={() => void import("./book").then(({ book }) => save(`${p.name}.xlsx`, new Blob([book("Wardline", p.rows())], { type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" })))}>{c("xlsx")}</Button>
      <Button title={c("csv_hint")} onClick={() => save(`${p.name}.csv`, new Blob(["\ufeff" + csv(p.rows())], { type: "text/csv" }))}>{c("csv")}</Button>
    </>
  );
}

function save(name: string, file: Blob): void {
  const url = URL.createObjectURL(file);
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function Figures(): JSX.Element {
  const { rows, at } = lastDay();
  if (!at) return <p class="empty" role="status">{c("reading")}</p>;
  const sets: [string, Line[], (k: string) => string][] = [
    [c("by_category"), tally(rows, (r) => r.category), (k) => w(k as Category)],
    [c("by_ward"), tally(rows, (r) => r.lead), (k) => unitName(k)],
    [c("by_hour"), tally(rows, hourOf).sort((a, b) => (a.key < b.key ? -1 : 1)), (k) => `${k}:00`],
  ];
  const most = Math.max(1, ...sets.flatMap(([, l]) => l.map((x) => x.count)));
  const all = (): (string | number)[][] => [["", "", c("count"), c("still_open"), c("verdicts"), c("false_n")], ...sets.flatMap(([name, l, say]) => l.map((x) => [name, say(x.key), x.count, x.open, x.verdicts, x.false]))];
  if (!rows.length) return <p class="empty">{c("nothing")}</p>;
  return (
    <div class={stream.value === "live" ? "" : "stale"} data-testid="figures">
      <p class="row"><b>{c("reports_n", { n: rows.length })}</b><span class="dim">{clock(at)}</span><Files name="wardline-24h" rows={all} /></p>
      <div class="sets">
        {sets.map(([name, list, say]) => (
          <Table key={name} label={name} head={[name, c("count"), c("still_open"), c("share_false")]}>
            {list.slice(0, 30).map((x) => (
              <tr key={x.key}><th scope="row">{say(x.key)}</th><td class="nowrap"><span class="bar" aria-hidden="true" style={{ width: `${(4 * x.count) / most}rem` }} /> {x.count}</td><td>{x.open}</td><td>{percent(x.false, x.verdicts)}</td></tr>
            ))}
          </Table>
        ))}
      </div>
    </div>
  );
}

/** What alarm-management practice calls healthy, percent. */
const healthy: Record<Priority, number> = { P1: 5, P2: 15, P3: 80, P4: 0 };

/** How long half of the last day's reports waited for somebody, as the server counts it; counted again each minute while somebody looks. */
function ToClaim(): JSX.Element {
  const [s, setS] = useState<{ median: number | null; at: number } | null>(null);
  useEffect(() => {
    let on = true;
    const read = (): void => {
      const to = nodeNow();
      get<Statistics>(`/api/v1/statistics?from=${new Date(to - 86_400_000).toISOString()}&to=${new Date(to).toISOString()}`)
        .then((x) => on && setS({ median: x.total.steps.find((y) => y.step === "claim")!.median_s, at: to }), () => undefined); // its time says how old it is
    };
    read();
    const timer = setInterval(read, 60_000);
    return () => {
      on = false;
      clearInterval(timer);
    };
  }, []);
  return <><dt>{c("to_claim")}</dt><dd data-testid="to-claim"><b>{s ? (s.median === null ? "–" : span(s.median * 1000)) : "?"}</b> {s && <span class="dim">{c("counted_at", { at: clock(s.at) })}</span>}</dd></>;
}

export function Quality(): JSX.Element {
  const { rows, at } = lastDay();
  void now.value;
  if (!at) return <p class="empty" role="status">{c("reading")}</p>;
  const q = quality(rows, nodeNow());
  return (
    <div class={`sets ${stream.value === "live" ? "" : "stale"}`} data-testid="quality">
      <dl class="facts">
        <dt>{c("rate")}</dt><dd><b>{q.lastHour}</b></dd>
        <dt>{c("flood")}</dt><dd><b>{q.most}</b> – {q.flood ? <b class="overdue">{c("flood_yes")}</b> : c("flood_no")}</dd>
        {(["P1", "P2"] as const).map((p) => <><dt key={p}>{c("share", { p })}</dt><dd><b>{q.share[p]} %</b> <span class="dim">{c("wanted", { n: healthy[p] })}</span></dd></>)}
        <dt>{c("share", { p: "P3 + P4" })}</dt><dd><b>{q.share.P3 + q.share.P4} %</b> <span class="dim">{c("wanted", { n: healthy.P3 })}</span></dd>
        <ToClaim />
      </dl>
      <Table label={c("sources")} head={[c("source"), c("count"), c("share_false")]}>
        {q.sources.map((x) => <tr key={x.key}><th scope="row">{x.key}</th><td>{x.count}</td><td>{x.false} ({percent(x.false, x.verdicts)})</td></tr>)}
      </Table>
    </div>
  );
}

/** Names of wards for the queue's filter; read with the map. */
export const wardName = (code: string): string => wards.value.find((x) => x.code === code)?.name ?? code;
