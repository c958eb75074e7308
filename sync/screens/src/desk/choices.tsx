// A question with a few answers: digits choose, Enter keeps, Escape leaves.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button, Dialog } from "../lib/ui";
import { w } from "../lib/words";
import { t } from "./words";

export interface Option { value: string; label: string; hint?: string | undefined }
export interface Group { name: string; label: string; options: Option[]; /** A long list is a menu. */ menu?: boolean }
export type Answers = Record<string, string>;

export function ChoiceDialog(p: {
  title: string;
  /** The groups may depend on what was answered. */
  groups: (a: Answers) => Group[];
  initial?: Answers;
  text?: string; textInitial?: string; textRequired?: boolean;
  /** Keeps at once when the last group is answered. */
  auto?: boolean;
  note?: JSX.Element | string | undefined;
  submit?: string;
  also?: { label: string; run: (a: Answers, text: string) => void } | undefined;
  onSubmit: (a: Answers, text: string) => void;
  onClose: () => void;
}): JSX.Element {
  const [shown, setShown] = useState<Answers>(p.initial ?? {});
  // A fast hand presses the next digit before the screen has drawn the last: the answers stand here.
  const now = useRef<Answers>(shown);
  const a = shown;
  const text = useRef<HTMLTextAreaElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const groups = p.groups(a);
  // Which group the digits answer: the first that is open, else the last.
  const digits = groups.filter((g) => !g.menu && !a[g.name])[0] ?? groups.filter((g) => !g.menu).at(-1);
  const whole = groups.every((g) => a[g.name] && g.options.some((o) => o.value === a[g.name]));
  const submit = (x: Answers): void => {
    const words = text.current?.value.trim() ?? "";
    if (p.groups(x).every((g) => x[g.name]) && (!p.textRequired || words)) p.onSubmit(x, words);
  };
  const set = (g: Group, value: string): void => {
    const x = { ...now.current, [g.name]: value };
    // An answer that the later groups no longer offer falls away.
    for (const later of p.groups(x)) if (x[later.name] && !later.options.some((o) => o.value === x[later.name])) delete x[later.name];
    now.current = x;
    setShown(x);
    if (p.auto && p.groups(x).every((y) => x[y.name])) submit(x);
  };
  useLayoutEffect(() => {
    const press = (e: KeyboardEvent): void => {
      if (e.isComposing || e.ctrlKey || e.altKey || e.metaKey || !/^[1-9]$/.test(e.key)) return;
      if (e.target instanceof HTMLTextAreaElement || (e.target instanceof HTMLInputElement && e.target.type !== "radio")) return;
      const open = p.groups(now.current).filter((g) => !g.menu);
      const g = open.find((x) => !now.current[x.name]) ?? open.at(-1);
      const o = g?.options[Number(e.key) - 1];
      if (!g || !o) return;
      e.preventDefault();
      set(g, o.value);
    };
    const d = form.current!;
    d.addEventListener("keydown", press);
    return () => d.removeEventListener("keydown", press);
  });
  // The first choice has the focus, so that digits and arrows work at once.
  useLayoutEffect(() => {
    (form.current?.querySelector<HTMLElement>("input, select, textarea") ?? form.current)?.focus();
  }, []);
  return (
    <Dialog title={p.title} onClose={p.onClose}>
      <form ref={form} class="choices" tabIndex={-1} onSubmit={(e) => { e.preventDefault(); submit(now.current); }}
        onKeyDown={(e) => { if (e.key === "Enter" && !e.isComposing && (e.target as HTMLElement).tagName !== "BUTTON" && ((e.target as HTMLElement).tagName !== "TEXTAREA" || e.ctrlKey)) { e.preventDefault(); submit(now.current); } }}>
        {p.note && <p class="dim">{p.note}</p>}
        {groups.map((g) =>
          g.menu ? (
            <label class="field" key={g.name}><span>{g.label}</span>
              <select value={a[g.name] ?? ""} onChange={(e) => set(g, e.currentTarget.value)}><option value="" />{g.options.map((o) => <option key={o.value} value={o.value}>{o.label}</option>)}</select></label>
          ) : (
            <fieldset key={g.name}>
              <legend class={g.label === p.title ? "visually-hidden" : ""}>{g.label}</legend>
              {g.options.map((o, i) => (
                <label key={o.value} class="option"><input type="radio" name={g.name} value={o.value} checked={a[g.name] === o.value} onChange={() => set(g, o.value)} onClick={() => p.auto && a[g.name] === o.value && submit(a)} />
                  {i < 9 && g === digits && <kbd aria-hidden="true">{i + 1}</kbd>}<span>{o.label}</span>{o.hint && <small class="dim">{o.hint}</small>}</label>
              ))}
            </fieldset>
          ))}
        {p.text && <label class="field"><span>{p.text}</span><textarea ref={text} maxLength={4000} defaultValue={p.textInitial ?? ""} required={p.textRequired} /></label>}
        <p class="dim small">{t("choose_digit")}</p>
        <div class="row end">
          <Button onClick={p.onClose}>{w("cancel")}</Button>
          {p.also && <Button disabled={!whole} onClick={() => p.also!.run(a, text.current?.value.trim() ?? "")}>{p.also.label}</Button>}
          <button class="btn main" disabled={!whole}><span>{p.submit ?? t("submit")}</span></button>
        </div>
      </form>
    </Dialog>
  );
}
