// What is always in view: who works here, the line, the bell, what this screen can promise now.
import type { ComponentChildren, JSX } from "preact";
import { AccountButton } from "../lib/account";
import { clock, now, span, dated } from "../lib/clock";
import { beat, heardAt, stream } from "../lib/live";
import { logOut } from "../lib/session";
import { Button, LinePill, StreamState, Toggles } from "../lib/ui";
import { w } from "../lib/words";
import { audible, wake } from "./sound";
import { ask } from "./ask";
import { Undo } from "./duty";
import { ExerciseBanner } from "./exercise";
import { cut, reviewed, readReview } from "./state";
import { t } from "./words";

/** The bar of every desk. children: buttons of this one alone. */
export function Top(p: { title: ComponentChildren; children?: ComponentChildren }): JSX.Element {
  return (
    <header class="top">
      <h1>{p.title}</h1>
      <LinePill />
      <StreamState />
      <time class="now">{clock(now.value)}</time>
      <Undo />
      <Button k="N" kind="main" onClick={() => ask("report")}>{t("new_report")}</Button>
      <Button k="H" onClick={() => ask("handover")}>{t("handover")}</Button>
      {p.children}
      <Button k="?" onClick={() => ask("help")}>{t("help")}</Button>
      <Toggles />
      <AccountButton />
      <Button kind="quiet" onClick={() => void logOut()}>{w("log_out")}</Button>
    </header>
  );
}

export function Banners(): JSX.Element {
  const line = beat.value?.line;
  const st = stream.value;
  const c = cut.value;
  return (
    <div class="banners">
      {!audible.value && (
        <div class="banner bell" role="alert">
          <b>{t("bell_off")}</b> <Button onClick={() => void wake()}>{t("bell_on")}</Button>
        </div>
      )}
      <ExerciseBanner />
      {st !== "live" && st !== "out" && heardAt.value > 0 && <div class="banner hatched" role="alert">{t("stale_promise", { at: dated(heardAt.value) })}</div>}
      {st === "live" && line?.state === "cut" && <div class="banner hatched" data-testid="promise">{t("cut_promise", { at: clock(line.since) })}</div>}
      {st === "live" && c && c.to !== 0 && !c.seen && c.touched.length > 0 && (
        <div class="banner" data-testid="healed">
          <b>{t("healed", { n: c.touched.length })}</b> <span class="dim">{span(c.to - c.from)}</span>
          <Button onClick={() => { void readReview(); ask("review"); }}>{t("open_review")}</Button>
          <Button kind="quiet" onClick={() => { cut.value = { ...c, seen: true }; reviewed.value = null; }}>{t("review_done")}</Button>
        </div>
      )}
      {line?.alarms?.length ? <ul class="banner alarms" aria-label={t("alarms")}>{line.alarms.map((a) => <li key={a}>{a}</li>)}</ul> : null}
    </div>
  );
}
