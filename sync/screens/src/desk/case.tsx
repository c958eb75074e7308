// The case: all that is known of one incident, and what can be done with it.
import type { JSX } from "preact";
import { Nearby } from "./nearby";
import { useEffect, useRef } from "preact/hooks";
import { clock, dated, nodeNow, now, span } from "../lib/clock";
import { e, exerciseName } from "../lib/exercises";
import { stream } from "../lib/live";
import { me } from "../lib/session";
import { verdicts, type Arrival, type ID, type Conflict, type Incident, type Priority, type Category } from "../lib/api";
import { Age, Button, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import { ask } from "./ask";
import { early } from "./early";
import { checklists, open as leftOf, tick, ticked, type CheckID } from "./checklists";
import { apart, Delivery, Due, Elsewhere, headline, nobodyHere, reasonWord, seenOf } from "./parts";
import { chosen, choose, detail, detailAt, incidents, opened, openSource, perform, trouble, unit, unitName } from "./state";
import { Timeline } from "./timeline";
import { t, type Word } from "./words";

export const mine = (i: Incident): boolean => i.units.find((u) => u.unit === unit.value)?.holder?.officer === me.value?.user;
const held = (i: Incident): string | undefined => i.units.find((u) => u.unit === unit.value)?.holder?.officer;
/** Forwarded to this unit and not accepted yet. */
const offered = (i: Incident): boolean => {
  const at = i.timeline.map((x) => x.kind === "forward" && !x.withdrawn && x.value === unit.value).lastIndexOf(true);
  return at >= 0 && !i.timeline.slice(at).some((x) => x.kind === "accept" && x.unit === unit.value);
};

export interface Can { claim: boolean; release: boolean; work: boolean; arrive: boolean; park: boolean; resolve: boolean; close: boolean; reopen: boolean; accept: boolean; merge: boolean; message: boolean }
/** What the chosen incident allows this officer now. */
export function can(i: Incident | null): Can {
  const no: Can = { claim: false, release: false, work: false, arrive: false, park: false, resolve: false, close: false, reopen: false, accept: false, merge: false, message: false };
  if (!i || stream.value !== "live") return no;
  if (!i.open) return { ...no, reopen: true };
  const h = held(i);
  const my = h === me.value?.user;
  return {
    claim: !h, release: my, work: my, arrive: my && i.status === "dispatched", park: my, resolve: my && i.status !== "resolved", reopen: false, accept: offered(i), merge: true,
    // Whoever raised a silent alarm must not get a message: the attacker may read it.
    message: !i.silent && i.reports.length > 0,
    close: my && i.status === "resolved" && leftOf(i.category, i.verdict, ticked(i.timeline)).length === 0,
  };
}

function Actions(p: { i: Incident }): JSX.Element {
  const c = can(p.i);
  return (
    <div class="actions" role="toolbar" aria-label={t("case")}>
      {c.accept && <Button k="T" kind="main" onClick={() => void perform("accept")}>{t("accept")}</Button>}
      {p.i.open ? <Button k="A" kind={c.claim ? "main" : "quiet"} disabled={!c.claim} onClick={() => void perform("claim")}>{t("claim")}</Button>
        : <Button k="O" kind="main" disabled={!c.reopen} onClick={() => ask("reopen")}>{t("reopen")}</Button>}
      <Button k="V" disabled={!c.work} onClick={() => ask("verify")}>{t("verify")}</Button>
      <Button k="D" disabled={!c.work} onClick={() => ask("dispatch")}>{t("dispatch")}</Button>
      <Button k="Y" disabled={!c.arrive} onClick={() => ask("arrive")}>{t("arrive")}</Button>
      <Button k="R" disabled={!c.resolve && !(p.i.status === "resolved" && c.work)} onClick={() => ask(p.i.status === "resolved" ? "close" : "resolve")}>{p.i.status === "resolved" ? t("close") : t("resolve")}</Button>
      <Button k="C" disabled={stream.value !== "live"} onClick={() => ask("contact")}>{t("contact")}</Button>
      <Button k="S" disabled={!c.message} onClick={() => ask("message")}>{t("message")}</Button>
      <Button k="G" disabled={stream.value !== "live"} onClick={() => ask("note")}>{t("note")}</Button>
      <Button k="E" disabled={!c.work} onClick={() => ask("classify")}>{t("classify")}</Button>
      <Button k="P" disabled={!c.park} onClick={() => ask("park")}>{t("park")}</Button>
      <Button k="M" disabled={!c.merge} onClick={() => ask("merge")}>{t("merge")}</Button>
      <Button k="W" disabled={!c.work} onClick={() => ask("forward")}>{t("forward")}</Button>
      <Button k="B" disabled={!c.release} onClick={() => void perform("release")}>{t("release")}</Button>
      <Button k="I" kind="quiet" onClick={() => print()}>{t("print")}</Button>
    </div>
  );
}

/** Values that contradict, with a number each: one key settles. */
export interface Choice { key: string; label: string; by: string; take: () => void }
export function choices(i: Incident): { conflict: Conflict; list: Choice[] }[] {
  let n = 0;
  return i.conflicts.map((c) => ({
    conflict: c,
    list: [c.shown, ...c.others].map((v) => ({
      key: String(++n),
      label: c.field === "category" ? w(v.value as Category) : v.value,
      by: `${v.by.name} · ${v.by.origin} · ${clock(v.by.at)}${v.by.offline ? " · " + t("made_offline") : ""}`,
      take: () => {
        const [lat, lon, acc] = v.value.split(/[ ,;]+/).map(Number);
        void perform("classify",
          c.field === "category" ? { category: v.value as Category } : c.field === "priority" ? { priority: v.value as Priority } : c.field === "summary" ? { summary: v.value }
            : { place: { lat: lat!, lon: lon!, accuracy_m: acc ?? 0 } }, i);
      },
    })),
  }));
}

export function Conflicts(p: { i: Incident }): JSX.Element | null {
  const list = choices(p.i);
  const rivals = p.i.units.flatMap((u) => u.other_claims ?? []);
  if (!list.length && !rivals.length && !p.i.after_close?.length && !p.i.erased) return null;
  return (
    <div class="conflicts" data-testid="conflicts">
      {list.map(({ conflict, list }) => (
        <div key={conflict.field}>
          <h3>{t("conflict")}: {t(`conflict_field_${conflict.field}` as Word)}</h3>
          <ul>{list.map((x) => (
            <li key={x.key} class="row"><Button k={x.key} disabled={stream.value !== "live"} onClick={x.take}>{t("keep")} <b>{x.label}</b></Button><small class="dim">{x.by}</small></li>
          ))}</ul>
        </div>
      ))}
      {list.length > 0 && <p class="dim small">{t("settle_hint")}</p>}
      {rivals.length > 0 && <p>{t("other_claims", { who: rivals.map((h) => `${h.officer} (${h.by.origin}, ${clock(h.by.at)})`).join(", ") })}</p>}
      {p.i.after_close?.length ? <p>{t("after_close")}</p> : null}
      {p.i.erased && <p>{t("erased", { at: clock(p.i.erased.at) })}</p>}
    </div>
  );
}

export function Source(p: { incident: ID; a: Arrival; /** The words stand above already. */ known?: string }): JSX.Element {
  const a = p.a;
  const who = a.unreadable ? undefined : opened.value[a.id] ?? a.sealed?.reporter;
  return (
    <div class="source">
      {a.redacted ? <p class="dim">{t("redacted")}</p> : a.unreadable ? <p class="dim">{t("unreadable")}</p> : a.sealed?.text && a.sealed.text !== p.known ? <p class="words">{a.sealed.text}</p> : null}
      <dl class="facts">
        {who && <><dt>{t("reporter")}</dt><dd>{who.name ?? (who.anonymous ? t("anonymous") : "")} {who.phone && <a href={`tel:${who.phone}`}>{who.phone}</a>}</dd></>}
        {a.identified && !opened.value[a.id] && <><dt>{t("reporter")}</dt><dd><Button k="Q" disabled={stream.value !== "live"} onClick={() => void openSource(p.incident, a.id)}>{t("open_reporter")}</Button></dd></>}
        {(a.sealed?.place_text || a.place) && <><dt>{t("place")}</dt><dd>{a.sealed?.place_text} {a.place && <small class="dim">{t("accuracy", { m: Math.round(a.place.accuracy_m) })}{a.place.fixed_at && ` · ${t("fix_age", { age: span(Date.parse(a.received_at) - Date.parse(a.place.fixed_at)) })}`}</small>}</dd></>}
        <dt>{t("captured")}</dt><dd>{dated(a.captured_at)}</dd>
        <dt>{t("received_at")}</dt><dd>{dated(a.received_at)}</dd>
        <dt>{t("device")}</dt><dd>{a.device} · {a.origin}</dd>
        {a.signal && <><dt>{t("signal")}</dt><dd>{a.signal.protocol} {a.signal.account} {a.signal.qualifier}{a.signal.code} {a.signal.group}/{a.signal.zone}</dd></>}
        {a.media?.length ? <><dt /><dd>{t("media_n", { n: a.media.length })}</dd></> : null}
      </dl>
    </div>
  );
}

function History(p: { i: Incident }): JSX.Element | null {
  const s = p.i.source;
  if (!s) return null;
  const parts = verdicts.map((v) => [v, Object.entries(s.verdicts).filter(([k]) => k.split(":")[0] === v).reduce((n, [, x]) => n + x, 0)] as const).filter(([, n]) => n > 0);
  return <p class="history">{s.reports <= 1 ? t("history_none") : t("history", { n: s.reports })} {parts.map(([v, n]) => <span key={v} class="tag">{t("history_part", { n, what: t(v) })}</span>)}</p>;
}

/** Ticks an item, or takes the tick back. */
export function toggleCheck(i: Incident, id: CheckID): void {
  const entry = ticked(i.timeline).get(id);
  void (entry ? perform("withdraw", { target: entry }) : perform("note", { reason: tick(id) }));
}

export function Checklist(p: { i: Incident }): JSX.Element | null {
  const i = p.i;
  if (!i.category) return null;
  const done = ticked(i.timeline);
  const left = leftOf(i.category, i.verdict, done);
  const may = can(i).work;
  return (
    <section class="checklist" aria-label={t("checklist")}>
      <h3>{t("checklist")}</h3>
      {checklists[i.category].map((id, n) => (
        <label key={id} class="check"><input type="checkbox" checked={done.has(id)} disabled={!may} onChange={() => toggleCheck(i, id)} /> {i.conflicts.length === 0 && may && <kbd aria-hidden="true">{n + 1}</kbd>} {t(`check_${id}`)}</label>
      ))}
      <p class="dim small" role="status">{left.length ? t("check_left", { n: left.length }) : t("check_done")}</p>
    </section>
  );
}

function Messages(p: { i: Incident }): JSX.Element | null {
  const list = p.i.timeline.filter((e) => e.value === "message" && (e.kind === "contact" || e.kind === "reopen") && !e.withdrawn && !e.redacted);
  if (!list.length) return null;
  return (
    <section aria-label={t("messages")}>
      <h3>{t("messages")}</h3>
      <ul class="messages" aria-live="polite">{list.map((e) => <li key={e.entry}><b>{p.i.reports.some((a) => a.device === e.by) ? t("from_reporter") : `${t("from_desk")} ${e.by}`}</b> <time class="dim">{clock(e.at)}</time><br />{e.sealed?.text}</li>)}</ul>
    </section>
  );
}

function Merged(p: { i: Incident }): JSX.Element | null {
  const i = p.i;
  if (!i.merged?.length && !i.suggestions?.length) return null;
  const line = (id: string): string => {
    const r = incidents.get(id);
    return r ? `${r.priority ?? ""} ${r.category ? w(r.category) : ""} ${r.brief?.text ?? ""}` : id.slice(0, 8);
  };
  const why = (id: string): string => {
    const r = incidents.get(id);
    return r ? apart(seenOf(i), { category: r.category, place: r.place, at: Date.parse(r.received_at ?? "") }) : "";
  };
  return (
    <section aria-label={t("suggestions")}>
      {i.merged?.map((m) => (
        <p key={m.by.entry} class="row"><span>{t("merged_with")} <a href="#case" onClick={(e) => { e.preventDefault(); choose(m.other); }}>{line(m.other)}</a></span>
          <Button disabled={stream.value !== "live"} onClick={() => void perform("split", { target: m.by.entry })}>{t("unmerge")}</Button></p>
      ))}
      {i.suggestions?.some((s) => !i.merged?.some((m) => m.other === s.other)) && (
        <><h3>{t("suggestions")}</h3><ul>{i.suggestions.filter((s) => !i.merged?.some((m) => m.other === s.other)).map((s) => <li key={s.entry}>{line(s.other)} <b>{why(s.other)}</b></li>)}</ul>
          <Button k="M" onClick={() => ask("merge")}>{t("compare")}</Button></>
      )}
    </section>
  );
}

/** Keys that wait for an answer. */
function Early(): JSX.Element {
  return <p role="status" class="row" data-testid="early" hidden={!early.value.length}>{early.value.length > 0 && <>{t("early_waits")} {early.value.map((k, n) => <kbd key={n}>{k}</kbd>)}</>}</p>;
}

export function Case(): JSX.Element {
  const i = detail.value;
  const el = useRef<HTMLElement>(null);
  const id = chosen.value;
  useEffect(() => {
    // On a phone the case stands below the queue.
    if (id && matchMedia("(max-width: 760px)").matches) el.current?.scrollIntoView({ block: "start" });
  }, [id]);
  const row = chosen.value ? incidents.get(chosen.value) : undefined;
  void now.value;
  if (!i) return <section class="panel case" id="case" ref={el} aria-label={t("case")}><p class="empty">{chosen.value ? "…" : t("pick")}</p><Early /></section>;
  const h = held(i);
  const text = headline(i);
  const told = i.units.map((u) => ({ unit: u.unit, holder: u.holder?.officer }));
  return (
    <section class={`panel case ${stream.value === "live" ? "" : "stale"}`} id="case" ref={el} aria-label={t("case")} data-testid="case">
      <p class="print-only"><b>{t("print_head")}</b> {i.id} · {t("printed", { at: dated(nodeNow()), who: me.value?.user ?? "" })}</p>
      <div class="head">
        <h2><PriorityMark of={i.priority} /> {i.category ? w(i.category) : t("stub")} <small class="dim">{i.id.slice(0, 8)}</small></h2>
        {row && <Due row={row} />}
        <Age at={detailAt.value} />
      </div>
      {i.exercise && <p class="loud practice" data-testid="practice"><b>{e("exercise_of", { name: exerciseName(i.exercise) })}</b> {e("not_counted")} <Button k="0" kind="main" disabled={stream.value !== "live"} onClick={() => void perform("real")}>{e("real")}</Button></p>}
      {i.made_real && <p class="loud">{e("made_real", { who: i.made_real.name, at: clock(i.made_real.at) })}</p>}
      {i.silent && <p class="loud">{t("silent_alarm")} – {t("silent_rule")}</p>}
      {i.cancelled && <p class="loud">{t("cancelled")}</p>}
      <p class="tags">
        <span class={`tag ${h ? "holder" : ""}`} data-testid="holder">{h ? (h === me.value?.user ? `${t("mine")} (${h})` : h) : i.open ? nobodyHere(told) : "–"}</span><Elsewhere told={told} />
        <span class="tag" data-testid="status">{w(i.status)}</span>
        {i.verdict && <span class="tag">{reasonWord(i.verdict)}</span>}
        {i.parked_until && Date.parse(i.parked_until) > nodeNow() && <span class="tag">{t("parked")} {span(Date.parse(i.parked_until) - nodeNow())}</span>}
        <Delivery pending={i.delivery.pending} /> <small class="dim">{stream.value !== "live" ? "" : i.delivery.pending ? t("only_ward") : t("at_city")}</small>
      </p>
      {trouble.value && <p class="error" role="alert" data-testid="trouble">{trouble.value}</p>}
      <Early />
      <Conflicts i={i} />
      {text && <p class="headline">{text}</p>}
      <Actions i={i} />
      <History i={i} />
      <Messages i={i} />
      <Merged i={i} />
      <h3>{t("reports")}</h3>
      {i.reports.map((a) => <Source key={a.id + a.origin} incident={i.id} a={a} known={text} />)}
      <Nearby i={i} />
      <Checklist i={i} />
      <p class="small dim">{t("lead")}: {unitName(i.lead)} · {t("units_told")}: {i.units.map((u) => `${unitName(u.unit)} (${w(u.progress)}${u.holder ? `, ${u.holder.officer}` : ""})`).join("; ")}</p>
      <Timeline i={i} />
    </section>
  );
}
