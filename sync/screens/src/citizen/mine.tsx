// What this phone has reported, each with its honest state, and the page of a code.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, Problem, type Status } from "../lib/api";
import { codeOf, idOf } from "./code";
import { Photo } from "./form";
import { kept, now, push, write } from "./model";
import { Calls, Card, dayOf, hourOf, Picture } from "./parts";
import { PracticeMark } from "./practice";
import { QR } from "../lib/qr";
import { latest, steps } from "./states";
import { photosOf, type Kept, type Photo as Stored } from "./store";
import { t } from "./words";

export function Mine(p: { id?: string; onBack: () => void; onOpen: (id: string) => void }): JSX.Element {
  const one = p.id ? kept.value.find((k) => k.id === p.id) : undefined;
  return (
    <main class="page">
      <header class="head"><button type="button" class="back" onClick={p.onBack}>‹ {t(one ? "new_report" : "back")}</button><h1>{t("mine")}</h1></header>
      {one ? <One of={one} /> : kept.value.length === 0 ? <p>{t("mine_none")}</p> : (
        <ul class="list">
          {kept.value.map((k) => (
            <li key={k.id}><button type="button" onClick={() => p.onOpen(k.id)}>
              <Picture of={k.category} /><span><b>{t(`tile_${k.category}`)}</b><small>{dayOf(k.made)}</small> <PracticeMark body={k.body} /></span><span class="state">{k.refused ? t("refused", { detail: "" }) : t(latest(k))}</span>
            </button></li>
          ))}
        </ul>
      )}
    </main>
  );
}

function One(p: { of: Kept }): JSX.Element {
  const k = p.of;
  const [photos, setPhotos] = useState<Stored[]>([]);
  useEffect(() => void photosOf(k.id).then(setPhotos), [k.id]);
  const waits = !k.sent && !k.refused;

  void now.value;
  return (
    <>
      <Card title={t(`tile_${k.category}`)}>
        <small>{dayOf(k.made)}</small> <PracticeMark body={k.body} />
        <ol class="steps" data-testid="steps">
          {steps(k).map((s) => <li key={s.word} class={s.done ? "done" : ""}><i aria-hidden="true" />{t(s.word)}<span class="visually-hidden">{s.done ? ` – ${t("yes")}` : ` – ${t("no")}`}</span></li>)}
        </ol>
        {waits && <p role="status">{t(k.tries === 0 ? "sending" : "waiting")}</p>}
        {k.refused && <p class="error" role="alert">{t("refused", { detail: [k.refused.field, k.refused.detail].filter(Boolean).join(": ") })} {t("refused_fix")}</p>}
        {k.asked && <p><small>{t("asked", { time: hourOf(k.asked) })}</small></p>}
        {waits && <button type="button" class="btn" onClick={() => void push(true)}>{t("sos_now")}</button>}
      </Card>
      {!k.refused && <Talk of={k} />}
      <Card title={t("code")}>
        <p class="code">{codeOf(k.id)}</p>
        <QR text={`${location.origin}/citizen/#r/${codeOf(k.id)}`} label={codeOf(k.id)} />
        <small>{t("code_hint")}</small>
      </Card>
      {photos.length > 0 && <Card title={t("photos")}><small>{t("photo_hint")}</small><ul class="photos">{photos.map((x) => <Photo key={x.sha256} of={x} />)}</ul></Card>}
    </>
  );
}

const longest = 1000;

/** Short messages both ways; what has not been sent says so. */
function Talk(p: { of: Kept }): JSX.Element {
  const k = p.of;
  const [text, setText] = useState("");
  const closed = k.status === "closed";
  const send = (e: Event): void => {
    e.preventDefault();
    if (!text.trim()) return;
    void write(k.id, text.trim(), closed);
    setText("");
  };
  return (
    <Card title={t("talk")}>
      <ul class="talk" aria-live="polite">
        {(k.messages ?? []).map((m) => <li key={m.id} class={m.from}><small>{t(m.from === "desk" ? "desk" : "you")} · {dayOf(Date.parse(m.at))}</small>{m.text}</li>)}
        {(k.writes ?? []).map((m) => <li key={m.id} class="reporter waits"><small>{t("you")} · {m.refused ? t("refused", { detail: m.refused }) : t("to_send")}</small>{m.text}</li>)}
      </ul>
      <form class="page-part" onSubmit={send}>
        <label class="ask"><span>{t(closed ? "reopen_why" : "write")}</span><textarea rows={2} maxLength={longest} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
        <button class="btn" disabled={!text.trim()}>{t(closed ? "reopen" : "say")}</button>
        <small>{t("talk_hint")}</small>
      </form>
    </Card>
  );
}

interface Progress { receipts: { step: "ward" | "city" | "seen" }[]; status?: Status }

/** A report that another phone made, by its code. */
export function Follow(p: { code: string; onBack: () => void }): JSX.Element {
  const id = idOf(p.code);
  const [state, setState] = useState<Kept>();
  const [none, setNone] = useState(id === undefined);
  useEffect(() => {
    if (!id) return;
    let on = true;
    const ask = async (): Promise<void> => {
      try {
        const r = await get<Progress>(`/api/v1/progress/${id}`);
        if (!on) return;
        setNone(false);
        setState({ id, category: "security", body: { id, category: "security" }, made: 0, sent: true, tries: 0, next: 0, asked: Date.now(),
          ...Object.fromEntries(r.receipts.map((x) => [x.step, true])), ...(r.status ? { status: r.status } : {}) });
      } catch (e) {
        if (on && e instanceof Problem && e.status === 404) setNone(true);
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), 10_000);
    return () => {
      on = false;
      clearInterval(timer);
    };
  }, [id]);
  return (
    <main class="page">
      <header class="head"><button type="button" class="back" onClick={p.onBack}>‹ {t("back")}</button><h1>{t("follow")}</h1></header>
      <p class="code">{p.code}</p>
      {none ? <p role="alert">{t("follow_none")}</p> : state && (
        <Card title={t("code")}>
          <ol class="steps">{steps(state).filter((s) => s.word !== "s_kept").map((s) => <li key={s.word} class={s.done ? "done" : ""}><i aria-hidden="true" />{t(s.word)}</li>)}</ol>
          {state.asked && <small>{t("asked", { time: hourOf(state.asked) })}</small>}
        </Card>
      )}
      <Calls />
    </main>
  );
}
