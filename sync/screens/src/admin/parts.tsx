// Parts of the administration: a table that becomes cards on a narrow screen, a secret
// that is shown once, a question that must be answered by typing a name, a form.
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Problem } from "../lib/api";
import { clock, now, span } from "../lib/clock";
import { QR } from "../lib/qr";
import { Button, Dialog, Field } from "../lib/ui";
import { w } from "../lib/words";
import type { List } from "./data";
import { a } from "./words";

export interface Column<T> { head: string; cell: (x: T) => ComponentChildren; /** It names the row. */ name?: boolean; wide?: boolean }

export function Table<T>(p: { label: string; of: readonly T[]; id: (x: T) => string; columns: Column<T>[]; dim?: (x: T) => boolean; stale?: (x: T) => boolean; none: string }): JSX.Element {
  if (!p.of.length) return <p class="empty">{p.none}</p>;
  return (
    <table class="cards-narrow" aria-label={p.label}>
      <thead><tr>{p.columns.map((c) => <th key={c.head} scope="col">{c.head}</th>)}</tr></thead>
      <tbody>
        {p.of.map((x) => (
          <tr key={p.id(x)} class={`${p.dim?.(x) ? "gone" : ""} ${p.stale?.(x) ? "stale" : ""}`}>
            {p.columns.map((c) => (c.name ? <th key={c.head} scope="row" data-head={c.head}>{c.cell(x)}</th> : <td key={c.head} data-head={c.head} class={c.wide ? "wide" : ""}><div>{c.cell(x)}</div></td>))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** When a list was read; it says so when it could not be. */
export function AgeOf(p: { of: List<never> | List<unknown> }): JSX.Element {
  void now.value;
  const l = p.of as List<unknown>;
  if (l.wrong.value) return <p class="error" role="alert">{a("not_read", { why: l.wrong.value })}{l.at.value ? ` – ${a("shown_from", { age: span(Date.now() - l.at.value) })}` : ""}</p>;
  return <p class="dim small" role="status">{l.at.value ? a("read_at", { time: clock(l.at.value) }) : a("reading")}</p>;
}

/** What came of a request, in words; the field first where one is at fault. */
export function said(e: unknown): string {
  if (!(e instanceof Problem)) return String(e);
  if (e.status === 0) return w("no_answer");
  return e.field && !e.detail.startsWith(e.field) ? `${e.field}: ${e.detail}` : e.detail || e.type;
}

/** A form in a dialog. send gives what to show next, or throws. */
export function FormDialog(p: {
  title: string; children: ComponentChildren; submit: string; danger?: boolean; wide?: boolean; ready?: boolean;
  send: (f: FormData) => Promise<void>; onClose: () => void;
}): JSX.Element {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (busy) return;
    setBusy(true);
    setWrong("");
    try {
      await p.send(new FormData(e.target as HTMLFormElement));
    } catch (err) {
      setWrong(said(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={p.title} onClose={p.onClose} wide={p.wide ?? false}>
      <form class="form" onSubmit={(e) => void submit(e)}>
        {p.children}
        {wrong && <p class="error" role="alert">{wrong}</p>}
        <div class="row end">
          <Button onClick={p.onClose}>{w("cancel")}</Button>
          <button class={`btn ${p.danger ? "danger" : "main"}`} disabled={busy || p.ready === false}><span>{busy ? a("sending") : p.submit}</span></button>
        </div>
      </form>
    </Dialog>
  );
}

/** What cannot be undone is done by typing the name of what it is done to. */
export function Sure(p: { title: string; text: string; name: string; submit: string; reason?: boolean; send: (reason: string) => Promise<void>; onClose: () => void }): JSX.Element {
  const [typed, setTyped] = useState("");
  return (
    <FormDialog title={p.title} submit={p.submit} danger ready={typed.trim() === p.name} send={(f) => p.send(String(f.get("reason") ?? ""))} onClose={p.onClose}>
      <p>{p.text}</p>
      <Field label={a("type_name", { name: p.name })}><input autocomplete="off" spellcheck={false} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} autofocus /></Field>
      {p.reason && <Reason />}
    </FormDialog>
  );
}

export function Reason(): JSX.Element {
  return <Field label={a("reason")} hint={a("reason_hint")}><input name="reason" required maxLength={200} autocomplete="off" /></Field>;
}

/** A secret or a command that is shown this once: to copy, and where it helps as a QR code. */
export function Once(p: { title: string; text?: string; lines: { label: string; value: string; long?: boolean }[]; qr?: string; onClose: () => void }): JSX.Element {
  return (
    <Dialog title={p.title} onClose={p.onClose} wide>
      <p class="loud">{a("once")}</p>
      {p.text && <p>{p.text}</p>}
      {p.lines.map((l) => <Copy key={l.label} {...l} />)}
      {p.qr && <QR text={p.qr} label={p.title} />}
      <div class="row end"><Button kind="main" onClick={p.onClose}>{a("noted")}</Button></div>
    </Dialog>
  );
}

function Copy(p: { label: string; value: string; long?: boolean }): JSX.Element {
  const at = useRef<HTMLTextAreaElement>(null);
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    at.current!.select();
    try {
      await navigator.clipboard.writeText(p.value);
      setDone(true);
    } catch {
      setDone(document.execCommand("copy")); // a page over plain HTTP has no clipboard of its own
    }
  };
  return (
    <div class="copy">
      <label class="field"><span>{p.label}</span><textarea ref={at} class="mono" readOnly rows={p.long ? 5 : 1} value={p.value} onFocus={(e) => e.currentTarget.select()} /></label>
      <Button onClick={() => void copy()}>{done ? a("copied") : a("copy")}</Button>
    </div>
  );
}

export const Dash = (): JSX.Element => <span class="dim">–</span>;
