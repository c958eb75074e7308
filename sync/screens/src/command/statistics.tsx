// How long the steps took, how many were late and how many reports were false, over a time that the officer chooses.
import { effect, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Category } from "../lib/api";
import { get } from "../lib/api";
import { clock, now, span } from "../lib/clock";
import { stream } from "../lib/live";
import { Button } from "../lib/ui";
import { w } from "../lib/words";
import { explain, unitName } from "../desk/state";
import { t, type Word } from "../desk/words";
import { Files, percent, Table } from "./panes";
import { bounds, dayOf, sheet, steps, type Period, type Statistics, type Step, type TallyLine } from "./tally";
import { c } from "./words";

const period = signal<Period>({ kind: "today", from: dayOf(Date.now()), to: dayOf(Date.now()) });
const step = signal<Step>("claim");
const shown = signal<Statistics | null>(null);
/** When it was counted, milliseconds of this browser. */
const countedAt = signal(0);
const wrong = signal("");
const looking = signal(false);

/** How often the open pane is counted again, milliseconds. */
const every = 60_000;

let turn = 0;
async function count(): Promise<void> {
  const mine = ++turn;
  const b = bounds(period.peek(), now.peek());
  if (!b) {
    wrong.value = c("span_wrong");
    return;
  }
  try {
    const s = await get<Statistics>(`/api/v1/statistics?from=${encodeURIComponent(b.from)}&to=${encodeURIComponent(b.to)}`);
    if (mine !== turn) return;
    shown.value = s;
    countedAt.value = Date.now();
    wrong.value = "";
  } catch (e) {
    if (mine === turn) wrong.value = explain(e);
  }
}
effect(() => {
  void period.value;
  if (looking.value) void count();
});

const long = (s: number | null | undefined): string => (s === null || s === undefined ? "–" : span(s * 1000));
const of = (l: TallyLine, s: Step) => l.steps.find((x) => x.step === s)!;

function Group(p: { name: string; lines: readonly TallyLine[]; say: (k: string) => string }): JSX.Element {
  return (
    <Table label={p.name} head={[p.name, c("count"), c("still_open"), c("share_false"), c("done"), c("median"), c("p90"), c("late_n")]}>
      {p.lines.map((l) => {
        const s = of(l, step.value);
        return (
          <tr key={l.key}><th scope="row">{p.say(l.key)}</th><td>{l.count}</td><td>{l.open}</td><td class="nowrap">{l.false} ({percent(l.false, l.verdicts)})</td>
            <td>{s.done}</td><td>{long(s.median_s)}</td><td>{long(s.p90_s)}</td><td class="nowrap">{s.late} ({percent(s.late, s.due)})</td></tr>
        );
      })}
    </Table>
  );
}

const category = (k: string): string => (k ? w(k as Category) : "–");
const lead = (k: string): string => (k ? unitName(k) : c("no_lead"));
const hour = (k: string): string => `${k}:00`;

function Periods(): JSX.Element {
  const p = period.value;
  const set = (x: Partial<Period>): void => void (period.value = { ...p, ...x });
  return (
    <div class="row" role="group" aria-label={c("period")}>
      {(["today", "7", "30", "span"] as const).map((k) => <Button key={k} pressed={p.kind === k} onClick={() => set({ kind: k })}>{c(`period_${k}`)}</Button>)}
      {p.kind === "span" && (
        <>
          <label>{c("from")} <input type="date" value={p.from} max={p.to} onChange={(e) => set({ from: e.currentTarget.value })} /></label>
          <label>{c("to")} <input type="date" value={p.to} min={p.from} onChange={(e) => set({ to: e.currentTarget.value })} /></label>
        </>
      )}
    </div>
  );
}

export function Statistics(): JSX.Element {
  useEffect(() => {
    looking.value = true;
    const timer = setInterval(() => void count(), every);
    return () => {
      looking.value = false;
      clearInterval(timer);
    };
  }, []);
  void now.value;
  const s = shown.value;
  const old = stream.value !== "live" || Date.now() - countedAt.value > 3 * every;
  const rows = (): (string | number)[][] => sheet(s!, { lead, category, hour, words: (k) => c(k), step: (x) => t(`step_${x}` as Word) });
  return (
    <div class={s && old ? "stale" : ""} data-testid="statistics">
      <Periods />
      {wrong.value && <p class="loud" role="alert">{wrong.value}</p>}
      {!s ? <p class="empty" role="status">{wrong.value ? "" : c("reading")}</p> : (
        <>
          <p class="row"><b>{c("reports_n", { n: s.total.count })}</b> <span>{c("still_open")}: <b>{s.total.open}</b></span> <span>{c("share_false")}: <b>{s.total.false} ({percent(s.total.false, s.total.verdicts)})</b></span>
            <span class="dim">{c("counted_at", { at: clock(countedAt.value) })}</span><Files name={`wardline-${s.from.slice(0, 10)}-${s.to.slice(0, 10)}`} rows={rows} /></p>
          {s.cut && <p class="loud" role="status">{c("cut", { at: s.earliest ? clock(s.earliest) : "" })}</p>}
          <Table label={c("by_step")} head={[c("step"), c("done"), c("median"), c("p90"), c("with_deadline"), c("late_n")]}>
            {steps.map((x) => {
              const v = of(s.total, x);
              return (
                <tr key={x}><th scope="row"><Button pressed={step.value === x} onClick={() => (step.value = x)}>{t(`step_${x}` as Word)}</Button></th><td>{v.done}</td><td>{long(v.median_s)}</td><td>{long(v.p90_s)}</td><td>{v.due}</td><td>{v.late} ({percent(v.late, v.due)})</td></tr>
              );
            })}
          </Table>
          <p class="note small">{c("statistics_note", { step: t(`step_${step.value}` as Word) })}</p>
          <div class="sets wide">
            <Group name={c("by_ward")} lines={s.by_lead} say={lead} />
            <Group name={c("by_category")} lines={s.by_category} say={category} />
            <Group name={c("by_hour")} lines={s.by_hour} say={hour} />
          </div>
        </>
      )}
    </div>
  );
}
