// Entering a report, starting and handing over a shift, and the list of keys.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { act, categories, get, priorities, type Category, type Incident } from "../lib/api";
import { nodeNow } from "../lib/clock";
import { e as x_, joined, running } from "../lib/exercises";
import { me } from "../lib/session";
import { Button, Dialog, Field } from "../lib/ui";
import { w } from "../lib/words";
import { answered } from "./ask";
import { caller } from "./caller";
import { holderOf } from "./order";
import { PlacePick, type Picked } from "./placepick";
import { audible, play, wake } from "./sound";
import { choose, colleagues, enter, explain, incidents, perform, trouble, unit, unitName } from "./state";
import { t, type Word } from "./words";

/** A report in at most five fields: how it came, what kind, what, where, who. */
export function Report(): JSX.Element {
  const [how, setHow] = useState<"phone" | "radio" | "person">("phone");
  const [category, setCategory] = useState<Category | "">("");
  const [onMap, setOnMap] = useState(false);
  const [at, setAt] = useState<Picked | null>(null);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const began = useRef(nodeNow());
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const f = new FormData(e.target as HTMLFormElement);
    const text = String(f.get("what")).trim();
    if (!category || !text) return setWrong(t("what_missing"));
    setBusy(true);
    try {
      const where = String(f.get("where")).trim();
      const r = await enter({ category, text, ...(where ? { place_text: where } : {}), ...(at ? { location: at } : {}), reporter: caller(String(f.get("caller"))),
        ...(f.get("exercise") ? { exercise: String(f.get("exercise")) } : {}), captured_at: new Date(began.current).toISOString(), sent_at: new Date(nodeNow()).toISOString() });
      answered();
      choose(r.incident);
      const d = await get<Incident>(`/api/v1/incidents/${r.incident}`);
      await perform("note", { reason: `taken:${how}` }, d, true);
    } catch (err) {
      setWrong(explain(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("report_title")} onClose={answered}>
      <form class="choices" onSubmit={(e) => void submit(e)}>
        <fieldset class="inline"><legend>{t("taken_by")}</legend>
          {(["phone", "radio", "person"] as const).map((h) => <label key={h} class="option"><input type="radio" name="how" checked={how === h} onChange={() => setHow(h)} /> <span>{t(`by_${h}`)}</span></label>)}
        </fieldset>
        <Field label={t("category")}>
          <select name="category" value={category} required autofocus onChange={(e) => setCategory(e.currentTarget.value as Category)}>
            <option value="" />{categories.map((c) => <option key={c} value={c}>{w(c)}</option>)}
          </select>
        </Field>
        <Field label={t("what")}><textarea name="what" maxLength={8000} required /></Field>
        <Field label={t("where")}><input name="where" maxLength={500} /></Field>
        <Field label={t("caller")} hint={t("caller_hint")}><input name="caller" maxLength={200} autocomplete="off" /></Field>
        <div class="row"><Button pressed={onMap} onClick={() => setOnMap(!onMap)}>{at ? t("picked") : t("pick_on_map")}</Button></div>
        {onMap && <PlacePick at={at} onPick={setAt} />}
        {running.value.filter((x) => joined.value.has(x.id)).map((x) => <label key={x.id} class="check"><input type="checkbox" name="exercise" value={x.id} /> <span>{x_("as_exercise", { name: x.name })}<br /><small class="dim">{x_("as_exercise_hint")}</small></span></label>)}
        {wrong && <p class="error" role="alert">{wrong}</p>}
        <div class="row end"><Button onClick={answered}>{w("cancel")}</Button><button class="btn main" disabled={busy}><span>{t("save_report")}</span></button></div>
      </form>
    </Dialog>
  );
}

/** Each shift begins with a test of all four sounds. */
export function Shift(): JSX.Element {
  const [heard, setHeard] = useState<ReadonlySet<string>>(new Set());
  const done = (): void => {
    try {
      sessionStorage.setItem("shift", me.value?.user ?? "");
    } catch {
      /* asked again after a reload */
    }
    answered();
  };
  return (
    <Dialog title={t("shift_title")} onClose={done}>
      <p>{t("shift_text")}</p>
      <div class="row">
        {priorities.map((p) => (
          <Button key={p} pressed={heard.has(p)} onClick={() => void wake().then((ok) => { if (ok) { play(p); setHeard((h) => new Set([...h, p])); } })}>{t("shift_play", { p })}</Button>
        ))}
      </div>
      {!audible.value && <p class="loud">{t("bell_off")}</p>}
      <div class="row end">
        <Button onClick={done}>{t("unheard")}</Button>
        <Button kind="main" disabled={heard.size < priorities.length} onClick={done}>{t("heard")}</Button>
      </div>
    </Dialog>
  );
}

/** Whether this officer's shift began in this tab. */
export function begun(): boolean {
  try {
    return sessionStorage.getItem("shift") === me.value?.user;
  } catch {
    return false;
  }
}

export function Handover(): JSX.Element {
  const list = incidents.list();
  const mine = list.filter((r) => holderOf(r, unit.value) === me.value?.user);
  const [to, setTo] = useState(colleagues.value[0] ?? "");
  const [said, setSaid] = useState("");
  const give = async (): Promise<void> => {
    let n = 0;
    let why = "";
    for (const r of mine) {
      try {
        const d = await get<Incident>(`/api/v1/incidents/${r.id}`);
        await act(r.id, "handover", d.version, { to_officer: to });
        n++;
      } catch (e) {
        why = explain(e);
      }
    }
    setSaid(t("handover_done", { n, who: to }) + (why ? " " + t("handover_failed", { n: mine.length - n, why }) : ""));
  };
  useEffect(() => () => void (trouble.value = ""), []);
  return (
    <Dialog title={t("handover_title")} wide onClose={answered}>
      <p><b>{unitName(unit.value)}</b> · {t("handover_list", { n: mine.length, m: list.length })}</p>
      <ul class="plainlist">{(mine.length ? mine : list.slice(0, 50)).map((r) => <li key={r.id}><b>{r.priority}</b> {r.category && w(r.category)} · {w(r.status)} · {r.brief?.text} <small class="dim">{holderOf(r, unit.value)}</small></li>)}</ul>
      {mine.length === 0 && <p class="dim">{t("handover_none")}</p>}
      {colleagues.value.length === 0 ? <p class="loud">{t("no_colleague")}</p> : (
        <Field label={t("handover_to")}><select value={to} onChange={(e) => setTo(e.currentTarget.value)}>{colleagues.value.map((c) => <option key={c} value={c}>{c}</option>)}</select></Field>
      )}
      {said && <p role="status"><b>{said}</b></p>}
      <div class="row end">
        <Button onClick={answered}>{said ? w("close") : w("cancel")}</Button>
        <Button kind="main" disabled={!to || mine.length === 0} onClick={() => void give()}>{t("handover_do", { n: mine.length })}</Button>
      </div>
    </Dialog>
  );
}

const keys: [string, Word][] = [["J K", "k_move"], ["1 – 9", "k_digits"], ["Esc", "k_escape"], ["A", "claim"], ["V", "verify"], ["D", "dispatch"], ["Y", "arrive"], ["R", "resolve"], ["C", "contact"], ["Q", "open_reporter"], ["S", "message"], ["G", "note"], ["E", "classify"], ["P", "park"], ["M", "merge"],
  ["W", "forward"], ["T", "accept"], ["B", "release"], ["O", "reopen"], ["N", "new_report"], ["H", "handover"], ["Z", "undo"], ["L", "pause"], ["U", "k_letin"], ["F", "follow"], ["I", "print"], ["X", "bell_test"], ["/", "search"], ["?", "help"]];

export function Help(): JSX.Element {
  return (
    <Dialog title={t("help_title")} onClose={answered}>
      <p>{t("help_off")}</p>
      <dl class="keys">{keys.map(([k, v]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{t(v)}</dd></div>)}</dl>
      <div class="row end"><Button kind="main" onClick={answered}>{w("close")}</Button></div>
    </Dialog>
  );
}
