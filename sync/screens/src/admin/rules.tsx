// The routing rules as data: the version in force, a next one checked before it counts,
// and what was in force before.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { categories, post, upload, type Category } from "../lib/api";
import { dated, span } from "../lib/clock";
import { useKeys } from "../lib/keys";
import { Button, Dialog, Field, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import type { Priority } from "../lib/api";
import { mayChange, rules, useLists, type Rules as RulesData, type RulesVersion } from "./data";
import { AgeOf, FormDialog, said, Table } from "./parts";
import { a, type Key } from "./words";

/** The text being edited; null: nobody edits. */
const draft = signal<string | null>(null);
const shown = signal<RulesVersion | null>(null);

/** The next version of some rules, in effect from now on. */
export function next(of: RulesData, highest: number, at: Date): RulesData {
  return { ...of, version: highest + 1, from: at.toISOString(), until: null };
}

/** What differs between two versions, category by category, in words of the data. */
export function differences(was: RulesData, is: RulesData): { category: string; part: string; was: string; is: string }[] {
  const out: { category: string; part: string; was: string; is: string }[] = [];
  for (const c of Object.keys({ ...was.categories, ...is.categories })) {
    const [x, y] = [was.categories[c], is.categories[c]];
    const show = (r: typeof x, part: string): string =>
      !r ? "–" : part === "deadlines" ? r.deadlines.map((d) => `${d.step} ${d.within_s} s`).join(", ") || "–" : part === "departments" ? r.departments.join(", ") || "–" : part === "contacts" ? r.contacts.join(", ") || "–" : part === "keep_days" ? String(r.keep_days ?? "–") : String(r[part as "priority" | "lane"]);
    for (const part of ["priority", "lane", "departments", "contacts", "keep_days", "deadlines"]) {
      if (show(x, part) !== show(y, part)) out.push({ category: c, part, was: show(x, part), is: show(y, part) });
    }
  }
  return out;
}

const inForce = (): RulesVersion | undefined => rules.value.value.find((v) => v.in_effect);
const highest = (): number => Math.max(0, ...rules.value.value.map((v) => v.version));
const edit = (of: RulesData): void => { draft.value = JSON.stringify(next(of, highest(), new Date()), null, 2); };

export function Rules(): JSX.Element {
  useLists(rules);
  const change = mayChange();
  const now = inForce();
  useKeys({ N: () => change && now && edit(now.rules) }, draft.value === null && shown.value === null);
  return (
    <>
      <section class="panel" aria-labelledby="h-rules">
        <div class="head"><h2 id="h-rules">{a("rules_in_force")}</h2>{change && <Button k="N" kind="main" disabled={!now} onClick={() => now && edit(now.rules)}>{a("edit_rules")}</Button>}</div>
        <AgeOf of={rules as never} />
        {now && <p>{now.version === 0 ? a("rules_built_in") : a("rules_version", { n: now.version, from: dated(now.rules.from), by: now.by ?? "" })}</p>}
        {now && <RulesTable of={now.rules} />}
      </section>
      <section class="panel" aria-labelledby="h-history">
        <div class="head"><h2 id="h-history">{a("history")}</h2></div>
        <Table label={a("history")} of={rules.value.value} id={(v) => String(v.version)} none={a("reading")}
          columns={[
            { head: a("version"), name: true, cell: (v) => (v.version === 0 ? a("built_in") : v.version) },
            { head: a("in_force"), cell: (v) => (v.in_effect ? <b>{a("yes_now")}</b> : a("no")) },
            { head: a("from"), cell: (v) => (v.version === 0 ? "–" : dated(v.rules.from)) },
            { head: a("until"), cell: (v) => (v.rules.until ? dated(v.rules.until) : "–") },
            { head: a("brought_by"), cell: (v) => (v.at ? `${v.by} · ${dated(v.at)}` : "–") },
            { head: a("do"), cell: (v) => <div class="row"><Button onClick={() => (shown.value = v)}>{a("show")}</Button>{change && !v.in_effect && <Button onClick={() => edit(v.rules)}>{a("take_again")}</Button>}</div> },
          ]} />
      </section>
      {shown.value && <Dialog wide title={shown.value.version === 0 ? a("built_in") : `${a("version")} ${shown.value.version}`} onClose={() => (shown.value = null)}><RulesTable of={shown.value.rules} /><div class="row end"><Button onClick={() => (shown.value = null)}>{w("close")}</Button></div></Dialog>}
      {draft.value !== null && <Editor />}
    </>
  );
}

function RulesTable(p: { of: RulesData }): JSX.Element {
  const rows = categories.filter((c) => p.of.categories[c]);
  return (
    <Table<Category> label={a("rules")} of={rows} id={(c) => c} none="–"
      columns={[
        { head: a("category"), name: true, cell: (c) => w(c) },
        { head: a("priority"), cell: (c) => <PriorityMark of={p.of.categories[c]!.priority as Priority} /> },
        { head: a("lane"), cell: (c) => a(p.of.categories[c]!.lane === "urgent" ? "lane_urgent" : "lane_routine") },
        { head: a("departments"), cell: (c) => p.of.categories[c]!.departments.join(", ") || "–" },
        { head: a("contacts"), cell: (c) => p.of.categories[c]!.contacts.join(", ") || "–" },
        { head: a("keep_days"), cell: (c) => p.of.categories[c]!.keep_days ? a("days", { n: p.of.categories[c]!.keep_days }) : "–" },
        { head: a("deadlines"), wide: true, cell: (c) => p.of.categories[c]!.deadlines.map((d) => `${a(`step_${d.step}` as Key)} ${span(d.within_s * 1000)}`).join(" · ") || "–" },
      ]} />
  );
}

function Editor(): JSX.Element {
  const [wrong, setWrong] = useState("");
  const [checked, setChecked] = useState<RulesData | null>(null);
  const text = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const close = (): void => { draft.value = null; };
  const check = async (): Promise<RulesData | null> => {
    setWrong("");
    setChecked(null);
    try {
      const ok = await upload<RulesData>("/api/v1/rules/check", new Blob([text.current!.value]));
      setChecked(ok);
      return ok;
    } catch (e) {
      setWrong(said(e));
      return null;
    }
  };
  const was = inForce()?.rules;
  return (
    <FormDialog title={a("edit_rules")} wide submit={checked ? a("activate", { n: checked.version }) : a("check")} onClose={close}
      send={async () => {
        if (!checked) {
          await check();
          return;
        }
        await post("/api/v1/rules", JSON.parse(text.current!.value));
        close();
        await rules.read();
      }}>
      <p class="dim">{a("rules_text")}</p>
      <div class="row"><Button onClick={() => file.current?.click()}>{a("load_file")}</Button>
        <input ref={file} type="file" class="visually-hidden" tabIndex={-1} aria-label={a("load_file")} accept=".json,application/json" onChange={(e) => {
          const f = e.currentTarget.files?.[0];
          e.currentTarget.value = "";
          if (f) void f.text().then((x) => { text.current!.value = x; void check(); });
        }} /></div>
      <Field label={a("rules_data")}><textarea ref={text} class="mono tall" spellcheck={false} defaultValue={draft.value ?? ""} onInput={() => { setChecked(null); setWrong(""); }} /></Field>
      {wrong && <p class="error" role="alert">{wrong}</p>}
      {checked && (
        <div role="status" data-testid="checked">
          <p><b>{a("rules_ok", { n: checked.version, from: dated(checked.from) })}</b></p>
          {was && (differences(was, checked).length ? <ul class="facts-list">{differences(was, checked).map((d) => <li key={d.category + d.part}><b>{w(d.category as Category)}</b> · {a(d.part as Key)}: {d.was} → {d.is}</li>)}</ul> : <p>{a("rules_same")}</p>)}
        </div>
      )}
    </FormDialog>
  );
}
