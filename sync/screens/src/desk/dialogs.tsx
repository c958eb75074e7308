// Every question of the desk.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AccountDialog } from "../lib/account";
import { categories, get, priorities, verdictOf, verdicts, type Category, type Incident, type Priority } from "../lib/api";
import { nodeNow } from "../lib/clock";
import { beat } from "../lib/live";
import { me } from "../lib/session";
import { Button, Dialog } from "../lib/ui";
import { w } from "../lib/words";
import { answered, question } from "./ask";
import { can, Source } from "./case";
import { dropped } from "./early";
import { ChoiceDialog, type Option } from "./choices";
import { longestPark } from "./order";
import { apart, headline, seenOf } from "./parts";
import { Review } from "./reviewview";
import { Help, Report, Shift, Handover } from "./forms";
import { choose, contacts, detail, explain, incidents, opened, out, perform, trouble, unit, units, wanted } from "./state";
import { t, type Word } from "./words";
import { open as leftOf, ticked } from "./checklists";

const reasons: Record<string, string[]> = {
  true: ["called_back", "seen", "several", "panel"],
  doubtful: ["no_answer", "contradicts", "no_place"],
  false: ["prank", "mistake", "test", "nothing"],
  duplicate: ["same_event", "same_person"],
};

/** Does it, and leaves the question when it was kept. */
async function go(p: Promise<boolean>): Promise<void> {
  answered();
  await p;
}

function Verify(): JSX.Element {
  return (
    <ChoiceDialog title={t("verdict")} onClose={answered} text={t("details")}
      groups={(a) => [
        { name: "verdict", label: t("verdict"), options: verdicts.map((v) => ({ value: v, label: t(v) })) },
        ...(a["verdict"] ? [{ name: "reason", label: t("reason"), options: reasons[a["verdict"]]!.map((r) => ({ value: r, label: t(`r_${r}` as Word) })) }] : []),
      ]}
      onSubmit={(a, text) => {
        if (!a["reason"]) return;
        void go(perform("verify", { reason: `${a["verdict"]}:${a["reason"]}`, ...(text ? { text } : {}) })).then(() => {
          if (a["verdict"] === "duplicate" && !trouble.value) question.value = "merge";
        });
      }} />
  );
}

const patrolOptions = (): Option[] =>
  contacts.value.filter((c) => c.kind === "patrol" && c.unit === unit.value).map((c) => {
    const o = out.value.get(c.id);
    return { value: c.id, label: c.name, hint: [o ? t(o.onScene ? "on_scene" : "out_to") : t("free"), c.phone, c.radio && `${t("radio")} ${c.radio}`].filter(Boolean).join(" · ") };
  });

function Dispatch(): JSX.Element {
  const options = patrolOptions();
  if (options.length === 0) return <ChoiceDialog title={t("dispatch_title")} note={t("no_patrols")} groups={() => []} text={t("other_patrol")} textRequired onClose={answered} onSubmit={(_, text) => void go(perform("dispatch", { patrol: text.slice(0, 64) }))} />;
  return <ChoiceDialog title={t("dispatch_title")} auto groups={() => [{ name: "patrol", label: t("patrols"), options }]} onClose={answered} onSubmit={(a) => void go(perform("dispatch", { patrol: a["patrol"]! }))} />;
}

function Arrive(p: { i: Incident }): JSX.Element {
  const sent = [...new Set(p.i.items.filter((x) => x.kind === "dispatch" && x.value).map((x) => x.value!))];
  const options = sent.map((id) => ({ value: id, label: contacts.value.find((c) => c.id === id)?.name ?? id }));
  return <ChoiceDialog title={t("arrive")} auto={options.length > 1} groups={() => [{ name: "patrol", label: t("patrols"), options }]} initial={options.length === 1 ? { patrol: options[0]!.value } : {}} onClose={answered} onSubmit={(a) => void go(perform("arrive", { patrol: a["patrol"]! }))} />;
}

function Park(p: { i: Incident }): JSX.Element {
  const most = longestPark[p.i.priority ?? "P1"];
  const spans = [5, 10, 15, 30, 60, 120, 240, 720, 1440].filter((m) => m <= most);
  return (
    <ChoiceDialog title={t("park_title")} note={t("park_max", { p: p.i.priority ?? "?", n: most })} onClose={answered}
      groups={() => [
        { name: "reason", label: t("reason"), options: ["wait", "force", "evidence"].map((r) => ({ value: r, label: t(`park_reason_${r}` as Word) })) },
        { name: "until", label: t("park_title"), options: spans.map((m) => ({ value: String(m), label: m < 60 ? t("park_minutes", { n: m }) : t("park_hours", { n: m / 60 }) })) },
      ]}
      onSubmit={(a) => void go(perform("park", { reason: `park:${a["reason"]}`, until: new Date(nodeNow() + Number(a["until"]) * 60_000).toISOString() }))} />
  );
}

async function resolveAndClose(reason: string | undefined, text: string): Promise<boolean> {
  return (await perform("resolve", { ...(reason ? { reason } : {}), ...(text ? { text } : {}) })) && perform("close");
}

function Resolve(p: { i: Incident }): JSX.Element {
  const v = verdictOf(p.i.verdict);
  if (!v) return <Verify />;
  const left = leftOf(p.i.category, p.i.verdict, ticked(p.i.timeline));
  const none = v === "false" || v === "duplicate";
  const reason = (a: Record<string, string>): string | undefined => (none ? undefined : `${v}:${a["result"]}`);
  const groups = () => (none ? [] : [{ name: "result", label: t("resolve_title"), options: ["handled", "transferred", "record", "noaction"].map((r) => ({ value: r, label: t(`r_${r}` as Word) })) }]);
  return (
    <ChoiceDialog title={t("resolve_title")} note={left.length ? t("check_left", { n: left.length }) : t("check_done")} groups={groups} text={t("details")} onClose={answered}
      submit={left.length ? t("resolve") : t("and_close")}
      also={left.length ? undefined : { label: t("resolve"), run: (a, text) => void go(perform("resolve", { ...(reason(a) ? { reason: reason(a)! } : {}), ...(text ? { text } : {}) })) }}
      onSubmit={(a, text) => void go(left.length ? perform("resolve", { reason: reason(a) ?? "", ...(text ? { text } : {}) }) : resolveAndClose(reason(a), text))} />
  );
}

function Close(p: { i: Incident }): JSX.Element {
  const left = leftOf(p.i.category, p.i.verdict, ticked(p.i.timeline));
  return (
    <Dialog title={t("close_title")} onClose={answered}>
      <p>{left.length ? t("check_left", { n: left.length }) : t("check_done")}</p>
      <ul class="left">{left.map((id) => <li key={id}>☐ {t(`check_${id}`)}</li>)}</ul>
      <div class="row end">
        <Button onClick={answered}>{w("cancel")}</Button>
        <Button kind="main" disabled={!can(p.i).close} onClick={() => void go(perform("close"))}>{t("close")}</Button>
      </div>
    </Dialog>
  );
}

function Call(p: { i: Incident }): JSX.Element {
  const people = p.i.reports.map((a) => opened.value[a.id]).filter((r) => r?.phone).map((r) => ({ value: `${r!.name ?? t("caller_number")} ${r!.phone}`, label: `${t("caller_number")}: ${r!.name ?? ""} ${r!.phone}` }));
  const others = contacts.value.filter((c) => c.phone || c.radio).map((c) => ({ value: `${c.name} ${c.phone ?? c.radio}`, label: c.name, hint: [c.phone, c.radio && `${t("radio")} ${c.radio}`].filter(Boolean).join(" · ") }));
  return (
    <ChoiceDialog title={t("contact_title")} auto onClose={answered} note={p.i.silent ? t("silent_rule") : undefined}
      groups={(a) => [{ name: "who", label: t("contact_title"), options: [...(p.i.silent ? [] : people), ...others] },
        ...(a["who"] ? [{ name: "outcome", label: t("outcome"), options: ["answered", "no_answer", "busy", "refused"].map((o) => ({ value: o, label: t(`o_${o}` as Word) })) }] : [])]}
      onSubmit={(a) => a["outcome"] && void go(perform("contact", { reason: `call:${a["outcome"]}`, text: a["who"]! }))} />
  );
}

function Forward(): JSX.Element {
  const list = [...units.value].filter(([u]) => u !== unit.value).map(([value, name]) => ({ value, label: value.startsWith("ward/") || value === "command" ? name : `${value} – ${name}` }));
  return <ChoiceDialog title={t("forward_title")} note={beat.value?.line.state === "cut" ? t("forward_when") : t("forward_deadline")} groups={() => [{ name: "unit", label: t("forward_title"), options: list, menu: true }]} text={t("details")} onClose={answered}
    onSubmit={(a, text) => void go(perform("forward", { to_unit: a["unit"]!, ...(text ? { text } : {}) }))} />;
}

function Classify(p: { i: Incident }): JSX.Element {
  return (
    <ChoiceDialog title={t("classify_title")} text={t("summary")} textInitial={p.i.summary ?? ""} onClose={answered}
      initial={{ category: p.i.category ?? "", priority: p.i.priority ?? "" }}
      groups={() => [{ name: "category", label: t("category"), options: categories.map((c) => ({ value: c, label: w(c) })) }, { name: "priority", label: t("priority"), options: priorities.map((x) => ({ value: x, label: x })) }]}
      onSubmit={(a, text) => void go(perform("classify", {
        ...(a["category"] !== p.i.category ? { category: a["category"] as Category } : {}), ...(a["priority"] !== p.i.priority || a["category"] === p.i.category ? { priority: a["priority"] as Priority } : {}),
        ...(text !== (p.i.summary ?? "") && text ? { summary: text } : {}) }))} />
  );
}

function Merge(p: { i: Incident }): JSX.Element {
  const i = p.i;
  const suggested = (i.suggestions ?? []).map((s) => s.other);
  const ids = [...new Set([...suggested, ...wanted.value.map((r) => r.id)])].filter((id) => id !== i.id && !i.merged?.some((m) => m.other === id)).slice(0, 40);
  const [other, setOther] = useState(ids[0] ?? "");
  const [it, setIt] = useState<Incident | null>(null);
  useEffect(() => {
    setIt(null);
    if (other) void get<Incident>(`/api/v1/incidents/${other}`).then(setIt, (e: unknown) => (trouble.value = explain(e)));
  }, [other]);
  return (
    <Dialog title={t("merge")} wide onClose={answered}>
      {ids.length === 0 ? <p>{t("no_candidates")}</p> : (
        <label class="field"><span>{suggested.length ? t("suggestions") : t("no_suggestion")}</span>
          <select value={other} onChange={(e) => setOther(e.currentTarget.value)}>
            {ids.map((id) => { const r = incidents.get(id); return <option key={id} value={id}>{suggested.includes(id) ? "★ " : ""}{r?.priority} {r?.category ? w(r.category) : id.slice(0, 8)} {r?.brief?.text ?? ""}</option>; })}
          </select></label>
      )}
      {it && <p class="apart" data-testid="apart"><b>{apart(seenOf(i), seenOf(it))}</b></p>}
      <div class="side">
        <section><h3>{t("this_one")}</h3><p class="headline">{headline(i)}</p>{i.reports.map((a) => <Source key={a.id + a.origin} incident={i.id} a={a} known={headline(i)} />)}</section>
        <section><h3>{t("other_one")}</h3>{it ? <><p class="headline">{headline(it)}</p>{it.reports.map((a) => <Source key={a.id + a.origin} incident={it.id} a={a} known={headline(it)} />)}</> : <p>…</p>}</section>
      </div>
      <div class="row end">
        <Button onClick={answered}>{w("cancel")}</Button>
        {it && <Button onClick={() => { answered(); choose(it.id); }}>{t("review_open")}</Button>}
        <Button kind="main" disabled={!it} onClick={() => void go(perform("merge", { incidents: [other] }))}>{t("merge_with")}</Button>
      </div>
    </Dialog>
  );
}

/** Keys that were pressed ahead of an answer that was no. Enter, which may be on its way to another dialog, does not leave it. */
function Dropped(): JSX.Element {
  const d = dropped.value!;
  const leave = (): void => void (dropped.value = null);
  return (
    <Dialog title={t("early_dropped")} onClose={leave} still>
      <p data-testid="dropped">{d.why}</p>
      <p>{t("early_keys")} {d.keys.map((k, n) => <kbd key={n}>{k}</kbd>)}</p>
      <div class="row end"><Button k="Esc" onClick={leave}>{w("close")}</Button></div>
    </Dialog>
  );
}

export function Questions(): JSX.Element | null {
  const q = question.value;
  const i = detail.value;
  if (!me.value) return null;
  if (!q) return dropped.value ? <Dropped /> : <AccountDialog />;
  switch (q) {
    case "help": return <Help />;
    case "shift": return <Shift />;
    case "report": return <Report />;
    case "handover": return <Handover />;
    case "review": return <Review />;
  }
  if (!i) return null;
  switch (q) {
    case "verify": return <Verify />;
    case "dispatch": return <Dispatch />;
    case "arrive": return <Arrive i={i} />;
    case "park": return <Park i={i} />;
    case "merge": return <Merge i={i} />;
    case "resolve": return <Resolve i={i} />;
    case "close": return <Close i={i} />;
    case "note": return <ChoiceDialog title={t("note_title")} groups={() => []} text={t("note_text")} textRequired onClose={answered} onSubmit={(_, text) => void go(perform("note", { text }))} />;
    case "message": return <ChoiceDialog title={t("message_title")} note={t("message_hint")} groups={() => []} text={t("note_text")} textRequired onClose={answered} onSubmit={(_, text) => void go(perform("contact", { reason: "message", text: text.slice(0, 1000) }))} />;
    case "contact": return <Call i={i} />;
    case "forward": return <Forward />;
    case "classify": return <Classify i={i} />;
    case "reopen": return <ChoiceDialog title={t("reopen_title")} groups={() => []} text={t("reason")} textRequired onClose={answered} onSubmit={(_, text) => void go(perform("reopen", { text }))} />;
  }
}

