// The ward desk.
import "../lib/base.css";
import "./desk.css";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { now } from "../lib/clock";
import { useKeys } from "../lib/keys";
import { stream } from "../lib/live";
import { me, unreachable } from "../lib/session";
import { start } from "../lib/start";
import { Button, LogIn } from "../lib/ui";
import { w } from "../lib/words";
import { ask, question } from "./ask";
import { can, Case, choices, toggleCheck } from "./case";
import { checklists } from "./checklists";
import { Questions } from "./dialogs";
import { begun } from "./forms";
import { fitMap, MapView } from "./mapview";
import { Queue } from "./queue";
import { audible, Bell, play, wake } from "./sound";
import { begin, detail, letIn, move, opened, openSource, paused, perform, ringing, undo, undoable } from "./state";
import { Strip } from "./strip";
import { Banners, Top } from "./top";
import { t } from "./words";

function Undo(): JSX.Element | null {
  void now.value;
  const u = undoable.value;
  const left = u ? Math.ceil((u.until - Date.now()) / 1000) : 0;
  if (!u || left <= 0) return null;
  return <div class="undo" role="status"><Button k="Z" onClick={() => void undo()}>{t("undo_n", { what: u.label, s: left })}</Button></div>;
}

function Desk(): JSX.Element {
  useEffect(() => {
    begin();
    if (!begun()) ask("shift");
    const bell = new Bell(ringing);
    const press = (): void => void (audible.value || wake());
    addEventListener("click", press);
    addEventListener("keydown", press);
    return () => {
      bell.close();
      removeEventListener("click", press);
      removeEventListener("keydown", press);
    };
  }, []);
  const i = detail.value;
  const c = can(i);
  const settle = i ? choices(i).flatMap((x) => x.list) : [];
  useKeys({
    J: () => move(1), K: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    A: () => c.claim && void perform("claim"), V: () => c.work && ask("verify"), D: () => c.work && ask("dispatch"), Y: () => c.arrive && ask("arrive"),
    R: () => c.work && ask(i?.status === "resolved" ? "close" : "resolve"), C: () => i && stream.value === "live" && ask("contact"), S: () => c.message && ask("message"), G: () => i && stream.value === "live" && ask("note"), E: () => c.work && ask("classify"),
    P: () => c.park && ask("park"), M: () => c.merge && ask("merge"), W: () => c.work && ask("forward"), T: () => c.accept && void perform("accept"),
    Q: () => {
      const a = i?.reports.find((x) => x.identified && !opened.value[x.id]);
      if (a && stream.value === "live") void openSource(i!.id, a.id);
    },
    B: () => c.release && void perform("release"), O: () => c.reopen && ask("reopen"), I: () => i && print(),
    N: () => ask("report"), H: () => ask("handover"), Z: () => void undo(), L: () => (paused.value = !paused.value), U: letIn, F: fitMap,
    X: () => void wake().then(() => play("P1")), "/": () => document.getElementById("search")?.focus(), "?": () => ask("help"),
    ...(i?.category && settle.length === 0 ? Object.fromEntries(checklists[i.category].map((id, n) => [String(n + 1), () => c.work && toggleCheck(i, id)])) : {}),
    ...Object.fromEntries(settle.map((x) => [x.key, () => stream.value === "live" && x.take()])),
  }, question.value === null);
  return (
    <div class="desk">
      <Top />
      <Banners />
      <main class="body">
        <Queue />
        <div class="middle"><MapView /><Strip /></div>
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
    document.title = `${t("title")} – ${w("app")}`;
  });
  if (o === undefined) return <main class="login" aria-busy="true"><h1>{w("app")}</h1><p role="status">{unreachable.value ? w("no_answer") : ""}</p></main>;
  if (o === null || stream.value === "out") return <LogIn title={t("title")} onIn={begin} />;
  if (o.role === "administrator") return <main class="login"><h1>{t("title")}</h1><p>{t("no_right")}</p><LogIn title={w("log_in")} /></main>;
  return <Desk />;
}

start(Screen);
