// What the ward desk and the command centre do alike: begin, ring, hear the keys that
// are printed on the case's buttons, and let nobody in who may not see reports.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { accountOpen, MustChange } from "../lib/account";
import { now } from "../lib/clock";
import { followExercises } from "../lib/exercises";
import { useKeys } from "../lib/keys";
import { stream } from "../lib/live";
import { me, unreachable } from "../lib/session";
import { Button, LogIn } from "../lib/ui";
import { w } from "../lib/words";
import { ask, question } from "./ask";
import { can, choices, toggleCheck } from "./case";
import { checklists } from "./checklists";
import { dropped, hearEarly, patient } from "./early";
import { endKey, asked } from "./exercise";
import { audible, Bell, play, wake } from "./sound";
import { acting, begin, detail, letIn, move, opened, openSource, paused, perform, ringing, undo, undoable } from "./state";
import { t } from "./words";

/** What was just done can be taken back. It has its own place in the top bar, so that it covers and moves nothing. */
export function Undo(): JSX.Element {
  void now.value;
  const u = undoable.value;
  const left = u ? Math.ceil((u.until - Date.now()) / 1000) : 0;
  return <div class="undo" role="status">{u && left > 0 && <Button k="Z" onClick={() => void undo()}>{t("undo_n", { what: u.label, s: left })}</Button>}</div>;
}

/** Starts the store and the bell, and ends the bell with the screen. */
export function useDuty(): void {
  useEffect(() => {
    begin();
    const unfollow = followExercises();
    const bell = new Bell(ringing);
    const press = (): void => void (audible.value || wake());
    addEventListener("click", press); // not at the press: the banner that goes would move the row under the pointer
    addEventListener("keydown", press);
    return () => {
      bell.close();
      unfollow();
      removeEventListener("click", press);
      removeEventListener("keydown", press);
    };
  }, []);
}

/** Every key of the queue and the case. fit: the map fits itself. on: false where the screen has no controls. */
export function useDutyKeys(fit: () => void, on = true): void {
  const i = detail.value;
  const c = can(i);
  const settle = i ? choices(i).flatMap((x) => x.list) : [];
  useLayoutEffect(hearEarly, []);
  useKeys(patient({
    ...(i ? {} : Object.fromEntries([..."12345678"].map((k) => [k, () => null]))), // of a case that is still being read; 9 ends an exercise
    J: () => move(1), K: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    A: () => c.claim && void perform("claim"), V: () => c.work && ask("verify"), D: () => c.work && ask("dispatch"), Y: () => c.arrive && ask("arrive"),
    R: () => c.work && !acting.value.includes(i!.id) && ask(i?.status === "resolved" ? "close" : "resolve"), C: () => i && stream.value === "live" && ask("contact"), S: () => c.message && ask("message"), G: () => i && stream.value === "live" && ask("note"), E: () => c.work && ask("classify"),
    P: () => c.park && ask("park"), M: () => c.merge && ask("merge"), W: () => c.work && ask("forward"), T: () => c.accept && void perform("accept"),
    Q: () => {
      const a = i?.reports.find((x) => x.identified && !opened.value[x.id]);
      return a && stream.value === "live" ? void openSource(i!.id, a.id) : i !== null;
    },
    B: () => c.release && void perform("release"), O: () => c.reopen && ask("reopen"), I: () => i && print(),
    N: () => ask("report"), H: () => ask("handover"), Z: () => void undo(), L: () => (paused.value = !paused.value), U: letIn, F: fit,
    "0": () => i && (i.exercise && stream.value === "live" ? void perform("real") : undefined), "9": endKey,
    X: () => void wake().then(() => play("P1")), "/": () => document.getElementById("search")?.focus(), "?": () => ask("help"),
    ...(i?.category && settle.length === 0 ? Object.fromEntries(checklists[i.category].map((id, n) => [String(n + 1), () => c.work && toggleCheck(i, id)])) : {}),
    ...Object.fromEntries(settle.map((x) => [x.key, () => stream.value === "live" && x.take()])),
  }), question.value === null && !accountOpen.value && !asked.value && !dropped.value && on);
}

/** A screen for officers who may see reports; others log in, or are told. */
export function Gate(p: { title: string; inside: () => JSX.Element }): JSX.Element {
  const o = me.value;
  useEffect(() => {
    document.title = `${p.title} – ${w("app")}`;
  });
  if (o === undefined) return <main class="login" aria-busy="true"><h1>{w("app")}</h1><p role="status">{unreachable.value ? w("no_answer") : ""}</p></main>;
  if (o === null || stream.value === "out") return <LogIn title={p.title} onIn={begin} />;
  if (o.must_change) return <MustChange />;
  if (o.role === "administrator") return <main class="login"><h1>{p.title}</h1><p>{t("no_right")}</p><LogIn title={w("log_in")} /></main>;
  return <p.inside />;
}
