// Parts that every screen uses. They take words, never make them.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, Problem, type Priority } from "./api";
import { clock, now, span } from "./clock";
import { lang, setLang } from "./i18n";
import { beat, heardAt, stream } from "./live";
import { goesToProvider, logIn } from "./session";
import { setTheme, theme } from "./theme";
import { w } from "./words";

/** A button with the key that does the same printed on it. */
export function Button(p: {
  children: ComponentChildren; onClick: () => void; k?: string; kind?: "main" | "danger" | "quiet"; disabled?: boolean; title?: string; pressed?: boolean; id?: string;
}): JSX.Element {
  return (
    <button type="button" id={p.id} class={`btn ${p.kind ?? ""}`} disabled={p.disabled} title={p.title} aria-pressed={p.pressed} aria-keyshortcuts={p.k} onClick={p.onClick}>
      {p.k && <kbd aria-hidden="true">{p.k}</kbd>}
      <span>{p.children}</span>
    </button>
  );
}

const shapes: Record<Priority, string> = { P1: "M2 2h16v16H2z", P2: "M10 1.5 19 18H1z", P3: "M10 1 19 10 10 19 1 10z", P4: "M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16z" };

/** Priority by colour, shape and number. */
export function PriorityMark(p: { of: Priority | undefined }): JSX.Element {
  if (!p.of) return <span class="prio none">?</span>;
  return (
    <span class={`prio ${p.of}`}>
      <svg viewBox="0 0 20 20" aria-hidden="true"><path d={shapes[p.of]} /></svg>
      <b>{p.of}</b>
    </span>
  );
}

/** The state of the line, always in view. */
export function LinePill(): JSX.Element {
  const line = beat.value?.line;
  const at = now.value;
  const st = stream.value;
  let kind = "ok";
  let text: string;
  if (st !== "live" || !line) {
    kind = "bad";
    text = st === "out" ? w("logged_out") : w("line_unknown", { age: heardAt.value ? span(Date.now() - heardAt.value) : "…" });
  } else if (line.state === "local") text = w("line_local");
  else if (line.state === "cut") {
    kind = "cut";
    text = w("line_cut", { age: span(at - Date.parse(line.since)), n: line.lag });
  } else if (line.state === "connecting") {
    kind = "cut";
    text = w("line_connecting", { n: line.lag });
  } else text = line.lag ? w("line_lag", { n: line.lag }) : w("line_ok");
  return <span class={`pill ${kind}`} data-testid="line">{text}</span>;
}

/** Whether what stands on the screen is the present, in words. */
export function StreamState(): JSX.Element {
  const st = stream.value;
  const text = st === "live" ? w("live") : st === "out" ? w("logged_out") : st === "silent" ? w("silent", { age: span(Date.now() - heardAt.value) }) : w("connecting");
  return <span class={`stream ${st}`} role="status" data-testid="stream">{text}</span>;
}

/** When what a panel shows was the present: its own age, or nothing while it is live. */
export function Age(p: { at: number }): JSX.Element {
  void now.value;
  const ms = Date.now() - Math.max(p.at, heardAt.value); // until the stream was last heard it was the present
  return <span class="age">{p.at === 0 ? "?" : stream.value === "live" ? clock(now.value) : span(ms)}</span>;
}

export function Toggles(): JSX.Element {
  return (
    <>
      <Button kind="quiet" onClick={() => setLang(lang.value === "vi" ? "en" : "vi")}>{lang.value === "vi" ? w("to_english") : w("to_vietnamese")}</Button>
      <Button kind="quiet" onClick={() => setTheme(theme.value === "dark" ? "light" : "dark")}>{theme.value === "dark" ? w("theme_light") : w("theme_dark")}</Button>
    </>
  );
}

/** A modal question; Escape and the first button leave it. Focus returns to where it was. still: its title has the focus, so that no key but Escape does anything. */
export function Dialog(p: { title: string; children: ComponentChildren; onClose: () => void; wide?: boolean; still?: boolean }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const close = useRef(p.onClose);
  close.current = p.onClose;
  useLayoutEffect(() => { // before the next key can come
    const d = ref.current!;
    const before = document.activeElement;
    d.showModal();
    const cancel = (e: Event): void => {
      e.preventDefault();
      close.current();
    };
    d.addEventListener("cancel", cancel);
    return () => {
      d.removeEventListener("cancel", cancel);
      d.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} class={p.wide ? "wide" : ""} aria-labelledby="dialog-title">
      <h2 id="dialog-title" {...(p.still ? { tabIndex: -1, autofocus: true } : {})}>{p.title}</h2>
      {p.children}
    </dialog>
  );
}

export function Field(p: { label: string; children: ComponentChildren; hint?: string; error?: string | undefined }): JSX.Element {
  return (
    <label class="field">
      <span>{p.label}</span>
      {p.children}
      {p.hint && <small>{p.hint}</small>}
      {p.error && <small class="error" role="alert">{p.error}</small>}
    </label>
  );
}

export function LogIn(p: { title: string; onIn?: () => void }): JSX.Element {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const f = new FormData(e.target as HTMLFormElement);
    setBusy(true);
    try {
      await logIn(String(f.get("user")), String(f.get("password")));
      p.onIn?.();
    } catch (err) {
      setWrong(err instanceof Problem && err.status === 403 ? w("wrong_password") : w("no_answer"));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <h1>{p.title}</h1>
      <form onSubmit={(e) => void submit(e)}>
        <Field label={w("user")}><input name="user" autocomplete="username" required autofocus /></Field>
        <Field label={w("password")} error={wrong || undefined}><input name="password" type="password" autocomplete="current-password" required /></Field>
        <button class="btn main" disabled={busy}><span>{w("log_in")}</span></button>
      </form>
      <Provider />
      <p class="row"><Toggles /></p>
    </main>
  );
}

/** Why who comes back from the provider is not in. */
const unproven = { refused: "provider_refused", "no-account": "provider_no_account", later: "provider_later" } as const;

/** The way in by the city's provider, where there is one. */
function Provider(): JSX.Element | null {
  const [p, setP] = useState<{ name: string; logout: string } | null>(null);
  useEffect(() => {
    get<{ name: string; logout: string }>("/api/v1/oidc").then(setP, () => undefined); // there is none, or not now: the password lets in
  }, []);
  const why = unproven[new URLSearchParams(location.search).get("signon") as keyof typeof unproven];
  return (
    <>
      {why && <p class="error" role="alert">{w(why)}</p>}
      {p && <p><a class="btn" data-testid="provider" href="/api/v1/oidc/login" onClick={() => goesToProvider(p.logout)}><span>{w("provider_in", { name: p.name })}</span></a></p>}
    </>
  );
}
