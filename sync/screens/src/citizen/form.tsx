// One report on one page: what, a few questions that its kind needs, place,
// photos, who. Everything but the kind may stay empty; nothing is asked twice.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Category } from "../lib/api";
import { now, submit } from "./model";
import { Calls, Card, Choice, hourOf, numberFor, Picture } from "./parts";
import { largestPhoto, mostPhotos, take, type Taken } from "./photos";
import { Pin, type Offset } from "./pin";
import { fix, look, lookedAt, looking } from "./place";
import { lines, questions, type Answers } from "./questions";
import { t } from "./words";

/** What the interface takes: see the schema Report of /openapi.yaml. */
const longestText = 3000, longestPlace = 300;

export function Form(p: { category: Category; onSent: (id: string) => void; onBack: () => void }): JSX.Element {
  const [answers, setAnswers] = useState<Answers>({});
  const [text, setText] = useState("");
  const [placeText, setPlaceText] = useState("");
  const [photos, setPhotos] = useState<Taken[]>([]);
  const [offset, setOffset] = useState<Offset>({ east: 0, north: 0 });
  const [away, setAway] = useState(false);
  const [anonymous, setAnonymous] = useState(true);
  const [name, setName] = useState("");
  const [phone, setPhone] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const taken = useRef(Date.now());
  const camera = useRef<HTMLInputElement>(null);
  useEffect(() => look(), []);

  const add = async (files: FileList | null): Promise<void> => {
    setWrong("");
    for (const f of Array.from(files ?? [])) {
      if (f.size > largestPhoto || photos.length >= mostPhotos) {
        setWrong(t("photo_big"));
        return;
      }
      const one = await take(f);
      setPhotos((have) => (have.some((x) => x.sha256 === one.sha256) || have.length >= mostPhotos ? have : [...have, one]));
    }
  };
  const send = (e: Event): void => {
    e.preventDefault();
    if (busy) return;
    const said = [...lines(p.category, answers), text.trim()].filter(Boolean).join("\n");
    if (p.category === "feedback" && !said) {
      setWrong(t("required"));
      return;
    }
    setBusy(true);
    const place = [answers.floor ? `${t("floor")} ${answers.floor}` : "", placeText].filter(Boolean).join(" · ");
    submit({ category: p.category, text: said.slice(0, longestText), placeText: place.slice(0, longestPlace), photos, offset, anonymous, name, phone, taken: taken.current })
      .then(p.onSent, (x: unknown) => {
        setBusy(false);
        setWrong(String(x));
      });
  };

  return (
    <form class="page" onSubmit={send}>
      <header class="head"><button type="button" class="back" onClick={p.onBack}>‹ {t("back")}</button><h1><Picture of={p.category} />{t(`tile_${p.category}`)}</h1></header>
      {p.category !== "feedback" && <Calls only={numberFor(p.category)} />}
      {questions[p.category].map((q) =>
        q.after && answers[q.after] !== "yes" ? null : q.kind === "choice" ? (
          <Choice key={q.key} label={t(q.key)} value={answers[q.key]} onPick={(v) => setAnswers(({ [q.key]: _, ...rest }) => (v ? { ...rest, [q.key]: v } : rest))} />
        ) : (
          <label key={q.key} class="ask"><span>{t(q.key)}</span>
            <input maxLength={60} value={answers[q.key] ?? ""} onInput={(e) => { const v = e.currentTarget.value; setAnswers((a) => ({ ...a, [q.key]: v })); }} /></label>
        ),
      )}
      <label class="ask"><span>{t("what")}</span><textarea rows={3} maxLength={longestText} value={text} onInput={(e) => setText(e.currentTarget.value)} /><small>{t("what_hint")}</small></label>
      <Place away={away} onAway={setAway} offset={offset} onMove={setOffset} text={placeText} onText={setPlaceText} />
      <Card title={t("photos")}>
        <input ref={camera} class="visually-hidden" type="file" accept="image/*" capture="environment" multiple tabIndex={-1} aria-label={t("photo")} onChange={(e) => { const el = e.currentTarget; void add(el.files).then(() => (el.value = "")); }} />
        <button type="button" class="btn" onClick={() => camera.current?.click()}>{t("photo")}</button>
        {photos.length > 0 && <p><small>{t("photo_hint")}</small></p>}
        <ul class="photos">{photos.map((x) => <Photo key={x.sha256} of={x} onRemove={() => setPhotos(photos.filter((y) => y !== x))} />)}</ul>
      </Card>
      <Card title={t("who")}>
        <label class="check"><input type="checkbox" checked={anonymous} onChange={(e) => setAnonymous(e.currentTarget.checked)} /><span>{t("anonymous")}</span></label>
        {!anonymous && (
          <>
            <label class="ask"><span>{t("name")}</span><input autocomplete="name" maxLength={100} value={name} onInput={(e) => setName(e.currentTarget.value)} /></label>
            <label class="ask"><span>{t("phone")}</span><input type="tel" autocomplete="tel" maxLength={20} value={phone} onInput={(e) => setPhone(e.currentTarget.value)} /></label>
            <small>{t("who_hint")}</small>
          </>
        )}
      </Card>
      {wrong && <p class="error" role="alert">{wrong}</p>}
      <button class="big send" disabled={busy}>{t("send")}</button>
    </form>
  );
}

function Place(p: { away: boolean; onAway: (b: boolean) => void; offset: Offset; onMove: (o: Offset) => void; text: string; onText: (s: string) => void }): JSX.Element {
  const f = fix.value;
  return (
    <Card title={t("place")}>
      <p role="status" data-testid="place">
        {looking.value === "looking" && !f ? t("place_looking", { n: Math.max(0, Math.ceil((lookedAt.value + 8000 - now.value) / 1000)) })
          : f ? t("place_have", { m: f.accuracy, time: hourOf(f.at) }) : t(looking.value === "denied" ? "place_denied" : "place_none")}
      </p>
      {looking.value !== "looking" && <button type="button" class="btn" onClick={() => look(true)}>{t("place_again")}</button>}
      {f && <label class="check"><input type="checkbox" checked={p.away} onChange={(e) => { p.onAway(e.currentTarget.checked); if (!e.currentTarget.checked) p.onMove({ east: 0, north: 0 }); }} /><span>{t("place_move")}</span></label>}
      {f && p.away && <Pin fix={f} at={p.offset} onMove={p.onMove} />}
      <label class="ask"><span>{t("place_text")}</span><input maxLength={longestPlace} value={p.text} onInput={(e) => p.onText(e.currentTarget.value)} /></label>
    </Card>
  );
}

/** One photo with its hash; the address of its bytes ends with the picture. */
export function Photo(p: { of: Taken; onRemove?: () => void }): JSX.Element {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const u = URL.createObjectURL(p.of.blob);
    setUrl(u);
    return () => URL.revokeObjectURL(u);
  }, [p.of.blob]);
  return (
    <li>
      {url && <img src={url} alt="" />}
      <div><code>{p.of.sha256.slice(0, 16)}…</code><small>{Math.ceil(p.of.bytes / 1024)} KB</small>
        {p.onRemove && <button type="button" class="btn" onClick={p.onRemove}>{t("photo_remove")}</button>}</div>
    </li>
  );
}
