// Public warnings: the list with how far each is, and the form with its preview.
// Nothing goes out on the first press.
import type { JSX } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { capCategories, certainties, practiceOf, responses, sendWarning, severities, textIn, urgencies, warnings, warningsAt, type Draft, type Text, type Warning } from "../lib/alerts";
import { uuid } from "../lib/api";
import type { LonLat } from "../lib/cells";
import { clock, dated, nodeNow, now } from "../lib/clock";
import { joined, running } from "../lib/exercises";
import { lang } from "../lib/i18n";
import { beat, stream } from "../lib/live";
import { CityMap, colour, wards, type Ward } from "../lib/map";
import { me } from "../lib/session";
import { Button, Dialog, Field } from "../lib/ui";
import { w } from "../lib/words";
import { explain, unit } from "./state";
import { n } from "./warnwords";

type Kind = Draft["msg_type"];
/** What the form is about; null: it is closed. */
export const warning = signal<{ kind: Kind; of?: Warning } | null>(null);
const said = signal("");

/** Whether this desk may warn now: the command centre always, a ward's own station while the line is cut. */
export function mayWarn(): boolean {
  const o = me.value;
  const line = beat.value?.line.state;
  if (!o || stream.value !== "live" || !["ward_officer", "command_officer", "supervisor"].includes(o.role)) return false;
  return line === "local" ? unit.value === "command" : unit.value.startsWith("ward/") && (line === "cut" || line === "connecting");
}

const wardsOf = (): string[] => (unit.value.startsWith("ward/") ? [unit.value.slice(5)] : []);
const name = (code: string): string => wards.value.find((x) => x.code === code)?.name ?? code;

function Reached(p: { of: Warning }): JSX.Element {
  const r = p.of.reached ?? [];
  const sum = (f: (x: (typeof r)[number]) => number): number => r.reduce((a, x) => a + f(x), 0);
  if (!r.length) return <span class="dim">{n("reached_none")}</span>;
  const counts = { d: sum((x) => x.devices), l: sum((x) => x.listening) };
  return <span>{p.of.wards.length > 1 || unit.value === "command" ? n("reached", { s: r.length, all: p.of.wards.length, ...counts }) : n("in_ward", counts)}</span>;
}

/** One warning in a list. */
function Item(p: { of: Warning }): JSX.Element {
  const x = p.of;
  const text = textIn(x.alert.info, lang.value);
  const open = x.state === "holds";
  const own = unit.value === "command" || x.origin !== "core";
  return (
    <li class={`warning ${x.state}`} data-testid="warning">
      <p class="row"><b class={open ? "loud tag" : "tag"}>{n(x.state)}</b>{x.alert.status !== "Actual" && <b class="tag loud">{[n("exercise"), practiceOf(x)].filter(Boolean).join(": ")}</b>}{text && <b>{text.event}: {text.headline}</b>}</p>
      <p class="dim small">{dated(Date.parse(x.alert.sent))} · {x.by} · {open ? n("until", { at: dated(Date.parse(x.expires)) }) : n("was_until", { at: dated(Date.parse(x.expires)) })} · {x.wards.length > 3 ? n("wards_n", { n: x.wards.length }) : x.wards.map(name).join(", ")}{x.index === 0 ? ` · ${n("not_at_city")}` : ""}</p>
      <p class="row small"><Reached of={x} />
        {open && own && mayWarn() && <><Button onClick={() => (warning.value = { kind: "Update", of: x })}>{n("update")}</Button><Button kind="danger" onClick={() => (warning.value = { kind: "Cancel", of: x })}>{n("take_back")}</Button></>}
      </p>
    </li>
  );
}

/** Every warning that this node knows. */
export function Warnings(): JSX.Element {
  void now.value;
  const list = warnings.value;
  const old = warningsAt.value === 0 || Date.now() - warningsAt.value > 20_000;
  return (
    <div class={old ? "stale" : ""} data-testid="warnings">
      <p class="row">{mayWarn() ? <Button kind="main" onClick={() => (warning.value = { kind: "Alert" })}>{n("warn")}</Button> : <span class="dim">{n("only_cut")}</span>}<span class="dim small">{warningsAt.value ? clock(warningsAt.value) : "?"}</span></p>
      {said.value && <p role="status"><b>{said.value}</b></p>}
      {list?.length ? <ul class="warnlist">{list.map((x) => <Item key={x.id} of={x} />)}</ul> : <p class="empty">{list ? n("none") : "…"}</p>}
    </div>
  );
}

/** What holds in this desk's ward, above everything. */
export function WarningBanner(): JSX.Element | null {
  const mine = (warnings.value ?? []).filter((x) => x.state === "holds");
  if (!mine.length && !(mayWarn() && unit.value !== "command")) return null;
  return (
    <div class="banner" data-testid="warning-banner">
      {mine.slice(0, 3).map((x) => {
        const text = textIn(x.alert.info, lang.value);
        return <span key={x.id}><b>{n("warnings")}{x.alert.status !== "Actual" ? ` (${[n("exercise"), practiceOf(x)].filter(Boolean).join(": ")})` : ""}: {text?.headline ?? text?.event}</b> <span class="dim">{n("until", { at: dated(Date.parse(x.expires)) })} · <Reached of={x} /></span>
          {x.origin !== "core" && mayWarn() && <> <Button onClick={() => (warning.value = { kind: "Cancel", of: x })}>{n("take_back")}</Button></>}</span>;
      })}
      {mayWarn() && unit.value !== "command" && <Button onClick={() => (warning.value = { kind: "Alert" })}>{n("warn")}</Button>}
    </div>
  );
}

/** Chooses wards and a line on a map of its own. */
function AreaMap(p: { chosen: readonly string[]; line: readonly LonLat[]; drawing: boolean; onWard: (code: string) => void; onPoint: (at: LonLat) => void }): JSX.Element {
  const el = useRef<HTMLDivElement>(null);
  const map = useRef<CityMap | null>(null);
  const now = useRef(p);
  now.current = p;
  useEffect(() => {
    const m = new CityMap(el.current!, {
      onWard: (x: Ward) => { if (!now.current.drawing) now.current.onWard(x.code); },
      onPoint: (at) => { if (now.current.drawing) now.current.onPoint(at); },
      fill: (x) => (now.current.chosen.includes(x.code) ? { colour: colour("--accent"), own: true, title: x.name } : { title: x.name }),
    });
    map.current = m;
    m.aim(wards.value.filter((x) => Math.abs(x.centre[0] - 106.68) < 0.2 && Math.abs(x.centre[1] - 10.78) < 0.15).map((x) => x.centre));
    return () => m.close();
  }, []);
  useEffect(() => map.current?.drawWards(wards.value), [p.chosen, wards.value]);
  useEffect(() => map.current?.drawArea(p.line), [p.line]);
  return <div class="map areamap" ref={el} role="application" aria-label={n("map")} />;
}

const select = <T extends string>(label: string, list: readonly T[], value: string, set: (v: string) => void, none?: string): JSX.Element => (
  <Field label={label}><select value={value} onChange={(e) => set(e.currentTarget.value)}>{none !== undefined && <option value="">{none}</option>}{list.map((x) => <option key={x} value={x}>{n(x as "Met")}</option>)}</select></Field>
);

const hours = [1, 3, 6, 12, 24, 72];

/** What is being written: whether it is real may still be unsaid. */
type Writing = Omit<Draft, "status"> & { status: Draft["status"] | ""; hours: number };

/** What the form begins with. A desk that takes part in an exercise must say each time whether this one is real. */
function begin(kind: Kind, of: Warning | undefined): Writing {
  const first = of?.alert.info[0];
  const texts = (["vi", "en"] as const).map((language): Text => {
    const t = of?.alert.info.find((x) => x.language.startsWith(language));
    const { event = "", headline = "", description = "", instruction = "" } = t ?? {};
    if (kind === "Cancel") return { language, event, headline: t ? n(language === "vi" ? "taken_back" : "taken_back_en", { what: headline || event }) : "", description: "", instruction: "" };
    return { language, event, headline, description, instruction };
  });
  return { id: uuid(), msg_type: kind, status: of ? (of.alert.status === "Exercise" ? "Exercise" : "Actual") : running.peek().some((x) => joined.peek().has(x.id)) ? "" : "Actual", ...(of ? { target: of.id } : {}), wards: of?.wards ?? wardsOf(), ...(first?.areas?.[0]?.polygons?.[0] && unit.value === "command" ? { polygon: first.areas[0].polygons[0] } : {}),
    category: first?.categories[0] ?? "Met", response: kind === "Cancel" ? "AllClear" : (first?.response_types?.[0] ?? ""), urgency: kind === "Cancel" ? "Past" : (first?.urgency ?? "Immediate"), severity: first?.severity ?? "Severe", certainty: first?.certainty ?? "Observed", expires: "", texts, hours: 3 };
}

const Kindof = (p: { on: boolean; pick: () => void; label: string; hint: string }): JSX.Element => (
  <label class="option"><input type="radio" name="real" checked={p.on} onChange={p.pick} /> <span>{p.label}</span> <small>{p.hint}</small></label>
);

function Form(p: { kind: Kind; of?: Warning }): JSX.Element {
  const [d, setD] = useState(() => begin(p.kind, p.of));
  const [step, setStep] = useState<"write" | "read">("write");
  const [drawing, setDrawing] = useState(false);
  const [find, setFind] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const set = (x: Partial<typeof d>): void => setD((old) => ({ ...old, ...x }));
  const text = (i: number, x: Partial<Text>): void => set({ texts: d.texts.map((t, k) => (k === i ? { ...t, ...x } : t)) });
  const leave = (): void => void (warning.value = null);
  const city = unit.value === "command";
  const line = d.polygon ?? [];
  const until = step === "read" ? Date.parse(d.expires) : nodeNow() + d.hours * 3_600_000;
  const toggle = (code: string): void => set({ wards: d.wards.includes(code) ? d.wards.filter((x) => x !== code) : [...d.wards, code] });
  const next = (): void => {
    const vi = d.texts[0]!;
    if ((!d.wards.length && line.length < 3) || !vi.event.trim() || !vi.headline?.trim()) return setWrong(n("missing"));
    if (!d.status) return setWrong(n("choose_real"));
    const x = running.value.find((y) => y.id === d.exercise);
    if (x?.wards.length && d.wards.some((code) => !x.wards.includes(code))) return setWrong(n("not_in_exercise", { name: x.name, wards: x.wards.map(name).join(", ") }));
    setWrong("");
    set({ expires: new Date(until).toISOString() });
    setStep("read");
  };
  const send = async (): Promise<void> => {
    setBusy(true);
    try {
      const { hours: _, response, polygon, status, ...rest } = d;
      const x = await sendWarning({ ...rest, status: status || "Actual", texts: d.texts.filter((t) => t.event.trim()), ...(response ? { response } : {}), ...(polygon && polygon.length > 2 ? { polygon: [...polygon, polygon[0]!] } : {}) });
      said.value = n("sent", { what: textIn(x.alert.info, lang.value)?.headline ?? "", n: x.wards.length });
      leave();
    } catch (e) {
      setWrong(explain(e));
    } finally {
      setBusy(false);
    }
  };
  const title = n(p.kind === "Alert" ? "title_alert" : p.kind === "Update" ? "title_update" : "title_cancel");
  if (step === "read") return (
    <Dialog title={n("preview_title")} onClose={leave}>
      <div class="preview" data-testid="preview">
        {d.status !== "Actual" && <p class="loud practice"><b>{[n("exercise"), running.value.find((x) => x.id === d.exercise)?.name ?? (p.of ? practiceOf(p.of) : "")].filter(Boolean).join(": ")}</b> {n("exercise_hint")}</p>}
        <p><b>{title}</b> · {n("until", { at: dated(until) })}</p>
        <p>{n("who")}: {d.wards.length ? d.wards.map(name).join(", ") : ""}{line.length > 2 ? ` + ${n("points", { n: line.length })}` : ""}</p>
        <p class="dim">{n(d.category as "Met")} · {n(d.urgency as "Past")} · {n(d.severity as "Minor")} · {n(d.certainty as "Likely")}{d.response ? ` · ${n(d.response as "Avoid")}` : ""}</p>
        {d.texts.filter((t) => t.event.trim()).map((t) => <section key={t.language} lang={t.language} class="sheet"><h3>{t.event}</h3><p class="headline">{t.headline}</p><p class="words">{t.description}</p><p class="words"><b>{t.instruction}</b></p></section>)}
      </div>
      {wrong && <p class="error" role="alert">{wrong}</p>}
      <div class="row end"><Button onClick={leave}>{w("cancel")}</Button><Button onClick={() => setStep("write")}>{n("change")}</Button><Button kind="danger" disabled={busy} onClick={() => void send()}>{n("send_now")}</Button></div>
    </Dialog>
  );
  return (
    <Dialog title={title} wide onClose={leave}>
      <form class="choices warnform" onSubmit={(e) => { e.preventDefault(); next(); }}>
        <div class="side">
          <section class="choices">
            {d.texts.map((t, i) => (
              <fieldset key={t.language} class="choices"><legend>{n(t.language as "vi")}</legend>
                <Field label={n("event")}><input name={`event-${t.language}`} maxLength={200} value={t.event} required={i === 0} onInput={(e) => text(i, { event: e.currentTarget.value })} /></Field>
                <Field label={n("headline")}><input name={`headline-${t.language}`} maxLength={160} value={t.headline} required={i === 0} onInput={(e) => text(i, { headline: e.currentTarget.value })} /></Field>
                <Field label={n("description")}><textarea name={`description-${t.language}`} maxLength={4000} value={t.description} onInput={(e) => text(i, { description: e.currentTarget.value })} /></Field>
                <Field label={n("instruction")}><textarea name={`instruction-${t.language}`} maxLength={4000} value={t.instruction} onInput={(e) => text(i, { instruction: e.currentTarget.value })} /></Field>
              </fieldset>
            ))}
          </section>
          <section class="choices">
            <div class="pairs">
              {select(n("category"), capCategories, d.category, (category) => set({ category }))}{select(n("severity"), severities, d.severity, (severity) => set({ severity }))}
              {select(n("urgency"), urgencies, d.urgency, (urgency) => set({ urgency }))}{select(n("certainty"), certainties, d.certainty, (certainty) => set({ certainty }))}
              {select(n("response"), responses, d.response ?? "", (response) => set({ response }), n("no_response"))}
              <Field label={n("hours")} hint={n("until", { at: dated(until) })}><select value={d.hours} onChange={(e) => set({ hours: Number(e.currentTarget.value) })}>{hours.map((h) => <option key={h} value={h}>{n("hours_n", { n: h })}</option>)}</select></Field>
            </div>
            {p.of ? d.status !== "Actual" && <p class="loud practice"><b>{[n("exercise"), practiceOf(p.of)].filter(Boolean).join(": ")}</b> {n("exercise_hint")}</p> : (
              <fieldset class="choices"><legend>{n("real_or_not")}</legend>
                <Kindof on={d.status === "Actual"} pick={() => setD(({ exercise: _, ...old }) => ({ ...old, status: "Actual" }))} label={n("for_real")} hint={n("for_real_hint")} />
                {running.value.map((x) => <Kindof key={x.id} on={d.exercise === x.id} pick={() => set({ status: "Exercise", exercise: x.id })} label={`${n("as_exercise")}: ${x.name}`} hint={n("exercise_hint")} />)}
                {!running.value.length && <Kindof on={d.status === "Exercise"} pick={() => set({ status: "Exercise" })} label={n("as_exercise")} hint={n("exercise_hint")} />}
              </fieldset>
            )}
            {city ? (
              <>
                <p><b>{n("who")}:</b> {d.wards.length > 6 ? n("wards_n", { n: d.wards.length }) : d.wards.map(name).join(", ")} {line.length > 0 && n("points", { n: line.length })}</p>
                <p class="row"><span class="dim small">{n("by_map")}</span><Button pressed={drawing} onClick={() => setDrawing(!drawing)}>{n("draw")}</Button>
                  {line.length > 0 && <><Button onClick={() => set({ polygon: line.slice(0, -1) })}>{n("undraw")}</Button><Button onClick={() => set({ polygon: [] })}>{n("clear")}</Button></>}</p>
                <AreaMap chosen={d.wards} line={line} drawing={drawing} onWard={toggle} onPoint={(at) => setD((old) => ({ ...old, polygon: [...(old.polygon ?? []), at].slice(0, 200) }))} />
                <Field label={n("ward_find")}><input type="search" value={find} onInput={(e) => setFind(e.currentTarget.value)} /></Field>
                <div class="row wardpick">{wards.value.filter((x) => d.wards.includes(x.code) || (find.trim() && x.name.toLowerCase().includes(find.trim().toLowerCase()))).slice(0, 40).map((x) => <label key={x.code} class="option"><input type="checkbox" checked={d.wards.includes(x.code)} onChange={() => toggle(x.code)} /> <span>{x.name}</span></label>)}</div>
              </>
            ) : <p class="loud">{n("own_ward")} {d.wards.map(name).join(", ")}</p>}
          </section>
        </div>
        {wrong && <p class="error" role="alert">{wrong}</p>}
        <div class="row end"><Button onClick={leave}>{w("cancel")}</Button><button class="btn main"><span>{n("preview")}</span></button></div>
      </form>
    </Dialog>
  );
}

export function WarnDialog(): JSX.Element | null {
  const q = warning.value;
  return q && me.value ? <Form key={q.kind + (q.of?.id ?? "")} kind={q.kind} {...(q.of ? { of: q.of } : {})} /> : null;
}
