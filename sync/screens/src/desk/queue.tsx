// The queue: one list, priority then oldest.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { now } from "../lib/clock";
import { e, heard } from "../lib/exercises";
import { stream } from "../lib/live";
import { me } from "../lib/session";
import type { ID, Row } from "../lib/api";
import { Age, Button, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import { holderOf, stalled, unclaimed } from "./order";
import { Found } from "./found";
import { Delivery, Due, Elsewhere, nobodyHere, reasonWord } from "./parts";
import { at, openHit, searching, step } from "./search";
import { choose, chosen, filter, hovered, incidents, letIn, paused, standing, unit, waiting } from "./state";
import { t } from "./words";

function Line(p: { id: ID; row: Row | undefined; at: number; of: number; heights: Heights }): JSX.Element {
  const r = p.row;
  const on = chosen.value === p.id;
  const me_ = useRef<HTMLLIElement>(null);
  useLayoutEffect(() => p.heights.follow(me_.current!, p.id), [p.id, r === undefined]);
  useEffect(() => {
    if (on) me_.current?.scrollIntoView({ block: "nearest" });
  }, [on]);
  if (!r) return <li class="line gone" ref={me_} aria-posinset={p.at + 1} aria-setsize={p.of}><span>{t("gone")}</span></li>;
  const holder = holderOf(r, unit.value);
  const free = unclaimed(r, unit.value, now.value);
  const still = stalled(r, unit.value, now.value);
  const alone = (free || still) && heard(r);
  return (
    <li ref={me_} aria-posinset={p.at + 1} aria-setsize={p.of} class={`line ${r.priority ?? ""} ${on ? "on" : ""} ${alone ? "alone" : ""} ${r.silent ? "silent" : ""} ${r.exercise ? "practice" : ""}`} data-id={p.id}
      onPointerEnter={() => (hovered.value = p.id)} onPointerLeave={() => hovered.value === p.id && (hovered.value = null)}>
      <button type="button" class="pick" aria-pressed={on} onClick={() => choose(p.id)}>
        <span class="first">
          <PriorityMark of={r.priority} />
          <b>{r.stub ? t("stub") : r.category ? w(r.category) : "?"}</b>
          <Due row={r} />
        </span>
        <span class="text">{r.brief?.text || (r.silent ? "" : "—")}{r.brief?.place ? <span class="dim"> · {r.brief.place}</span> : null}</span>
        <span class="tags">
          {r.exercise && <span class="tag practice">{e("exercise")}</span>}
          {holder ? <span class="tag holder">{holder === me.value?.user ? t("mine") : holder}</span> : <span class="tag">{free ? nobodyHere(r.told) : "–"}</span>}<Elsewhere told={r.told} />
          {still && <span class="tag loud">{t("stalled")}</span>}
          <span class="tag">{w(r.status)}</span>
          {r.verdict && <span class="tag">{reasonWord(r.verdict.split(":")[0])}</span>}
          {r.silent && <span class="tag loud">{t("silent_alarm")}</span>}
          {r.suggested && <span class="tag">{t("suggested")}</span>}
          {r.merged?.length ? <span class="tag">{t("merged_n", { n: r.merged.length + 1 })}</span> : null}
          {r.conflicts ? <span class="tag loud">{t("conflicts_n", { n: r.conflicts })}</span> : null}
          <Delivery pending={r.brief?.pending} />
        </span>
      </button>
    </li>
  );
}

/** Keys of the search box: through what was found, open it, leave. */
function walk(ev: KeyboardEvent & { currentTarget: HTMLInputElement }): void {
  if (ev.isComposing) return;
  if (ev.key === "ArrowDown" || ev.key === "ArrowUp") {
    ev.preventDefault();
    step(ev.key === "ArrowDown" ? 1 : -1);
  }
  if (ev.key === "Escape") filter.value = "";
  if (ev.key === "Enter") openHit(at.value);
  if (ev.key === "Escape" || ev.key === "Enter") ev.currentTarget.blur();
}

/** What a row is taken to be high before it was drawn, and the space below each, pixels. */
const guess = 92, gap = 8;

/** How high each row is, as the browser found it while it laid the page out: asking it would lay it out once more. */
class Heights {
  private readonly px = new Map<ID, number>();
  private readonly ids = new WeakMap<Element, ID>();
  private readonly seen: ResizeObserver;

  constructor(changed: () => void) {
    this.seen = new ResizeObserver((all) => {
      let other = false;
      for (const x of all) other = this.set(this.ids.get(x.target)!, x.borderBoxSize[0]!.blockSize + gap) || other;
      if (other) changed();
    });
  }

  of(id: ID): number {
    return this.px.get(id) ?? guess;
  }

  /** Until the answer is called. */
  follow(e: Element, id: ID): () => void {
    this.ids.set(e, id);
    this.seen.observe(e);
    return () => this.seen.unobserve(e);
  }

  close(): void {
    this.seen.disconnect();
  }

  private set(id: ID, px: number): boolean {
    if (px <= gap) return false; // it is not shown
    const other = Math.abs(this.of(id) - px) > 1;
    if (this.px.size > 20_000) this.px.clear(); // rows that left long ago
    this.px.set(id, px);
    return other;
  }
}

/** Rows that are drawn above and below what is in view. */
const beyond = 6;

/** The rows in view, of however many: thousands of rows would cost more than a frame at each change. */
function Lines(p: { ids: readonly ID[] }): JSX.Element {
  const el = useRef<HTMLUListElement>(null);
  const [view, setView] = useState({ top: 0, high: 1200 });
  const [, redraw] = useState(0);
  const [heights] = useState(() => new Heights(() => redraw((x) => x + 1)));
  const look = (): void => {
    const e = el.current;
    if (!e) return; // the page was left at this moment
    setView((v) => (Math.abs(v.top - e.scrollTop) < guess && v.high === e.clientHeight ? v : { top: e.scrollTop, high: e.clientHeight }));
  };
  useEffect(() => {
    const r = new ResizeObserver(look);
    r.observe(el.current!);
    return () => {
      r.disconnect();
      heights.close();
    };
  }, []);
  let y = 0, from = -1, above = 0, to = p.ids.length, end = 0;
  const at: number[] = [];
  p.ids.forEach((id, i) => {
    at.push(y);
    const h = heights.of(id);
    if (from < 0 && y + h > view.top - beyond * guess) [from, above] = [i, y];
    y += h;
    if (to === p.ids.length && y > view.top + view.high + beyond * guess) [to, end] = [i + 1, y];
  });
  if (from < 0) [from, above] = [Math.max(0, p.ids.length - 1), at.at(-1) ?? 0];
  if (to === p.ids.length) end = y;
  // The chosen row comes into view, also when it was not drawn.
  const on = chosen.value;
  useEffect(() => {
    const i = on === null ? -1 : p.ids.indexOf(on);
    const e = el.current;
    if (!e || i < 0 || (i >= from && i < to)) return;
    e.scrollTop = Math.max(0, at[i]! - e.clientHeight / 2);
    look();
  }, [on]);
  return (
    <ul class="lines" ref={el} tabIndex={0} aria-label={t("queue")} onScroll={look}>
      {above > 0 && <li aria-hidden="true" class="space" style={{ height: `${above}px` }} />}
      {p.ids.slice(from, to).map((id, i) => <Line key={id} id={id} row={incidents.get(id)} at={from + i} of={p.ids.length} heights={heights} />)}
      {end < y && <li aria-hidden="true" class="space" style={{ height: `${y - end}px` }} />}
    </ul>
  );
}

export function Queue(): JSX.Element {
  const ids = standing.value;
  const fresh = waiting.value;
  const urgent = fresh.filter((id) => incidents.get(id)?.priority === "P1").length;
  return (
    <section class={`panel queue ${stream.value === "live" ? "" : "stale"}`} aria-label={t("queue")}>
      <div class="head">
        <h2>{t("queue")} <span class="dim">{ids.length}</span></h2>
        <Button k="L" pressed={paused.value} onClick={() => (paused.value = !paused.value)}>{paused.value ? t("resume") : t("pause")}</Button>
        <label class="search">
          <span class="visually-hidden">{t("search")}</span>
          <kbd aria-hidden="true">/</kbd>
          <input id="search" type="text" value={filter.value} placeholder={t("search")} maxLength={120} autocomplete="off" role="combobox" aria-autocomplete="list" aria-expanded={searching.value}
            aria-controls={searching.value ? "hits" : undefined} aria-activedescendant={at.value >= 0 ? `hit-${at.value}` : undefined} onInput={(ev) => (filter.value = ev.currentTarget.value)} onKeyDown={walk} />
        </label>
        <Age at={incidents.filledAt.value} />
      </div>
      {paused.value && <p class="note">{t("paused")}</p>}
      {fresh.length > 0 && (
        <button type="button" class={`btn letin ${urgent ? "P1" : ""}`} onClick={letIn} aria-live="polite" data-testid="waiting">
          <kbd aria-hidden="true">U</kbd><span>{urgent ? t("waiting_p1", { n: fresh.length, p: urgent }) : t("waiting", { n: fresh.length })}</span>
        </button>
      )}
      <Lines ids={ids} />
      {ids.length === 0 && <p class="empty">{filter.value ? t("none_match") : t("empty_queue")}</p>}
      <Found />
    </section>
  );
}
