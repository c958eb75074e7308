// What both sides did while the line was cut, conflicts first.
import type { JSX } from "preact";
import { clock, dated } from "../lib/clock";
import type { TimelineEntry } from "../lib/api";
import { Button, Dialog, PriorityMark } from "../lib/ui";
import { w } from "../lib/words";
import { answered } from "./ask";
import { Conflicts } from "./case";
import { headline, kindWord } from "./parts";
import { value } from "./timeline";
import { choose, cut, reviewed } from "./state";
import { t } from "./words";

function Side(p: { title: string; list: TimelineEntry[] }): JSX.Element {
  return (
    <section><h3>{p.title}</h3>
      {p.list.length === 0 ? <p class="dim">{t("review_nothing")}</p> : <ul class="plainlist">{p.list.map((e) => <li key={e.entry}><time>{clock(e.at)}</time> <b>{kindWord(e.kind)}</b> {value(e.kind, e.value)} <small class="dim">{e.by} · {e.origin}</small> {e.offline && <span class="tag loud">{t("made_offline")}</span>}</li>)}</ul>}
    </section>
  );
}

export function Review(): JSX.Element {
  const c = cut.value;
  const list = reviewed.value;
  const done = (): void => {
    if (c) cut.value = { ...c, seen: true };
    answered();
  };
  return (
    <Dialog title={c ? t("review_title", { from: dated(c.from), to: clock(c.to) }) : t("review")} wide onClose={answered}>
      {list === null ? <p>…</p> : list.length === 0 ? <p>{t("review_none")}</p> : (
        <ul class="review" data-testid="review">
          {list.map((r) => (
            <li key={r.incident.id} class={r.conflict ? "conflict" : ""}>
              <div class="head"><PriorityMark of={r.incident.priority} /> <b>{r.incident.category && w(r.incident.category)}</b> <span>{headline(r.incident)}</span>
                <span class={`tag ${r.conflict ? "loud" : ""}`}>{r.conflict ? t("conflict") : t("review_ok")}</span>
                <Button onClick={() => { answered(); choose(r.incident.id); }}>{t("review_open")}</Button></div>
              <div class="side"><Side title={t("review_here")} list={r.here} /><Side title={t("review_there")} list={r.there} /></div>
              {r.conflict && <Conflicts i={r.incident} />}
            </li>
          ))}
        </ul>
      )}
      <div class="row end"><Button onClick={answered}>{w("close")}</Button><Button kind="main" onClick={done}>{t("review_done")}</Button></div>
    </Dialog>
  );
}
