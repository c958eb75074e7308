// What the search box found among every incident, under the queue.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { categories, priorities } from "../lib/api";
import { clock, dated } from "../lib/clock";
import { e } from "../lib/exercises";
import { Button, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import { answeredAt, asking, at, hits, index, more, narrow, openHit, readMore, refused, searching, type Found as Hit, type Narrow, type Snippet } from "./search";
import { chosen, unitName } from "./state";
import { t } from "./words";

function Text(p: { of: Snippet }): JSX.Element {
  return (
    <span class="snippet">
      <small class="dim">{t(`in_${p.of.field}`)}</small> <span>{p.of.parts.map((x, n) => (x.hit ? <mark key={n}>{x.text}</mark> : x.text))}</span>
    </span>
  );
}

function Line(p: { hit: Hit; n: number }): JSX.Element {
  const r = p.hit.row;
  const on = at.value === p.n;
  const el = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (on) el.current?.scrollIntoView({ block: "nearest" });
  }, [on]);
  return (
    <li ref={el} role="option" id={`hit-${p.n}`} aria-selected={on} class={`hit ${r.priority ?? ""} ${r.exercise ? "practice" : ""} ${on || chosen.value === r.id ? "on" : ""}`} data-id={r.id} onClick={() => openHit(p.n)}>
      <span class="first">
        <PriorityMark of={r.priority} />
        <b>{r.stub ? t("stub") : r.category ? w(r.category) : "?"}</b>
        {r.exercise && <span class="tag practice">{e("exercise")}</span>}
        <span class="tag">{w(r.status)}</span>
        <span class="dim nowrap">{r.received_at ? dated(r.received_at) : "?"}</span>
      </span>
      {p.hit.found.map((s, n) => <Text key={n} of={s} />)}
      {r.lead && <small class="dim">{unitName(r.lead)}</small>}
    </li>
  );
}

/** What may be missing, said before anything that was found. */
function Missing(): JSX.Element | null {
  const i = index.value;
  if (refused.value) return <p class="loud" role="alert">{refused.value}</p>;
  if (!i || i.state === "ready") return null;
  const percent = i.of ? Math.floor((100 * i.position) / i.of) : 0;
  return <p class="loud" role="status" data-testid="index">{i.state === "building" ? t("index_building", { p: percent }) : i.state === "behind" ? t("index_behind", { n: i.of - i.position }) : t("index_closed")}</p>;
}

function Narrowing(): JSX.Element {
  const n = narrow.value;
  const set = (x: Partial<Narrow>): void => void (narrow.value = { ...n, ...x });
  const select = <K extends keyof Narrow>(key: K, label: string, options: readonly (readonly [Narrow[K], string])[]): JSX.Element => (
    <select aria-label={label} value={String(n[key])} onChange={(x) => set({ [key]: options[x.currentTarget.selectedIndex]![0] } as Partial<Narrow>)}>
      {options.map(([v, name]) => <option key={String(v)} value={String(v)}>{name}</option>)}
    </select>
  );
  return (
    <div class="narrow" role="group" aria-label={t("narrow")}>
      {select("status", t("status"), [["", t("any_status")], ["open", t("still_open")], ["closed", w("closed")]])}
      {select("category", t("category"), [["", t("any_category")], ...categories.map((c) => [c, w(c)] as const)])}
      {select("priority", t("priority"), [["", t("any_priority")], ...priorities.map((p) => [p, p] as const)])}
      {select("days", t("when"), [[0, t("any_time")], [1, t("last_day")], [7, t("last_days", { n: 7 })], [30, t("last_days", { n: 30 })]])}
    </div>
  );
}

export function Found(): JSX.Element | null {
  if (!searching.value) return null;
  const list = hits.value;
  return (
    <section class="found" aria-label={t("found")} aria-busy={asking.value}>
      <div class="head">
        <h3>{t("found")} <span class="dim" data-testid="found-count">{answeredAt.value ? list.length + (more.value ? "+" : "") : ""}</span></h3>
        <small class="dim">{answeredAt.value ? t("found_at", { at: clock(answeredAt.value) }) : t("asking")}</small>
      </div>
      <Narrowing />
      <Missing />
      <ul id="hits" class="lines" role="listbox" tabIndex={0} aria-label={t("found")} data-testid="found">{list.map((h, n) => <Line key={h.row.id} hit={h} n={n} />)}</ul>
      {answeredAt.value > 0 && list.length === 0 && !refused.value && <p class="empty" role="status">{index.value?.state === "ready" ? t("found_none") : t("found_none_yet")}</p>}
      {more.value && <Button kind="quiet" onClick={readMore}>{t("found_more")}</Button>}
      <p class="note small">{t("found_hint")}</p>
    </section>
  );
}
