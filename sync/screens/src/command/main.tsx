// The command centre, and a department's desk: the desk's queue and case with the
// city in the middle. What an officer sees of it is decided by the server.
import "../lib/base.css";
import "../desk/desk.css";
import "./command.css";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { clock, now } from "../lib/clock";
import { useKeys } from "../lib/keys";
import { stream } from "../lib/live";
import { logOut, me, unreachable } from "../lib/session";
import { start } from "../lib/start";
import { Button, LinePill, LogIn, StreamState, Toggles } from "../lib/ui";
import { w } from "../lib/words";
import { ask, question } from "../desk/ask";
import { can, Case } from "../desk/case";
import { Questions } from "../desk/dialogs";
import { Queue } from "../desk/queue";
import { audible, Bell, play, wake } from "../desk/sound";
import { begin, detail, letIn, move, paused, perform, ringing, undo, undoable, unit, unitName } from "../desk/state";
import { Banners } from "../desk/top";
import { t } from "../desk/words";
import { CityView } from "./cityview";
import { Figures, Missed, Quality, Stations } from "./panes";
import { follow } from "./state";
import { Wall } from "./wall";
import { c } from "./words";

type Pane = "missed" | "stations" | "figures" | "quality";
const panes: Record<Pane, () => JSX.Element> = { missed: Missed, stations: Stations, figures: Figures, quality: Quality };
const pane = signal<Pane>("missed");
const wall = signal(location.hash === "#wall");
addEventListener("hashchange", () => (wall.value = location.hash === "#wall"));

function Top(): JSX.Element {
  const o = me.value!;
  return (
    <header class="top">
      <h1>{unit.value === "command" ? c("title") : c("desk_of", { unit: unitName(unit.value) })}</h1>
      <LinePill /><StreamState /><time class="now">{clock(now.value)}</time><span class="grow" />
      <Button k="N" kind="main" onClick={() => ask("report")}>{t("new_report")}</Button>
      <Button k="H" onClick={() => ask("handover")}>{t("handover")}</Button>
      <Button onClick={() => (location.hash = "wall")}>{c("wall")}</Button>
      <Button k="?" onClick={() => ask("help")}>{t("help")}</Button>
      <Toggles />
      <span class="who">{o.user} <span class="dim">{w(o.role)}</span></span>
      <Button kind="quiet" onClick={() => void logOut()}>{w("log_out")}</Button>
    </header>
  );
}

function Undo(): JSX.Element | null {
  void now.value;
  const u = undoable.value;
  const left = u ? Math.ceil((u.until - Date.now()) / 1000) : 0;
  if (!u || left <= 0) return null;
  return <div class="undo" role="status"><Button k="Z" onClick={() => void undo()}>{t("undo_n", { what: u.label, s: left })}</Button></div>;
}

function Command(): JSX.Element {
  useEffect(() => {
    begin();
    const end = follow();
    const bell = new Bell(ringing);
    const press = (): void => void (audible.value || wake());
    addEventListener("click", press); // not at the press: the banner that goes would move the row under the pointer
    addEventListener("keydown", press);
    return () => {
      end();
      bell.close();
      removeEventListener("click", press);
      removeEventListener("keydown", press);
    };
  }, []);
  const i = detail.value;
  const m = can(i);
  useKeys({
    J: () => move(1), K: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    A: () => m.claim && void perform("claim"), V: () => m.work && ask("verify"), D: () => m.work && ask("dispatch"), Y: () => m.arrive && ask("arrive"),
    R: () => m.work && ask(i?.status === "resolved" ? "close" : "resolve"), C: () => i && ask("contact"), G: () => i && ask("note"), E: () => m.work && ask("classify"),
    P: () => m.park && ask("park"), M: () => m.merge && ask("merge"), W: () => m.work && ask("forward"), T: () => m.accept && void perform("accept"),
    B: () => m.release && void perform("release"), O: () => m.reopen && ask("reopen"), I: () => i && print(),
    N: () => ask("report"), H: () => ask("handover"), Z: () => void undo(), L: () => (paused.value = !paused.value), U: letIn,
    X: () => void wake().then(() => play("P1")), "/": () => document.getElementById("search")?.focus(), "?": () => ask("help"),
  }, question.value === null && !wall.value);
  if (wall.value) return <Wall />;
  const Shown = panes[pane.value];
  return (
    <div class="desk command">
      <Top />
      <Banners />
      <main class="body">
        <Queue />
        <div class="middle">
          <CityView controls />
          <section class="panel panes">
            <div class="row" role="group" aria-label={c("figures")}>
              {(Object.keys(panes) as Pane[]).map((p) => <Button key={p} pressed={pane.value === p} onClick={() => (pane.value = p)}>{c(p)}</Button>)}
            </div>
            <div class="pane"><Shown /></div>
          </section>
        </div>
        <Case />
      </main>
      <Undo />
      <Questions />
    </div>
  );
}

function Screen(): JSX.Element {
  const o = me.value;
  useEffect(() => {
    document.title = `${c("title")} – ${w("app")}`;
  });
  if (o === undefined) return <main class="login" aria-busy="true"><h1>{w("app")}</h1><p role="status">{unreachable.value ? w("no_answer") : ""}</p></main>;
  if (o === null || stream.value === "out") return <LogIn title={c("title")} onIn={begin} />;
  if (o.role === "administrator") return <main class="login"><h1>{c("title")}</h1><p>{t("no_right")}</p><LogIn title={w("log_in")} /></main>;
  return <Command />;
}

start(Screen);
