// The command centre, and a department's desk: the desk's queue and case with the
// city in the middle. What an officer sees of it is decided by the server.
import "../lib/base.css";
import "../desk/desk.css";
import "./command.css";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { AccountButton } from "../lib/account";
import { clock, now } from "../lib/clock";
import { logOut } from "../lib/session";
import { start } from "../lib/start";
import { Button, LinePill, StreamState, Toggles } from "../lib/ui";
import { w } from "../lib/words";
import { ask } from "../desk/ask";
import { Case } from "../desk/case";
import { Questions } from "../desk/dialogs";
import { ExerciseButton, ExerciseDialog } from "../desk/exercise";
import { Gate, Undo, useDuty, useDutyKeys } from "../desk/duty";
import { Queue } from "../desk/queue";
import { unit, unitName } from "../desk/state";
import { Banners } from "../desk/top";
import { WarnDialog, Warnings } from "../desk/warn";
import { n } from "../desk/warnwords";
import { t } from "../desk/words";
import { followWarnings } from "../lib/alerts";
import { CityView, fitCity } from "./cityview";
import { Figures, Missed, Quality, Stations } from "./panes";
import { follow } from "./state";
import { Statistics } from "./statistics";
import { Wall } from "./wall";
import { c } from "./words";

type Pane = "missed" | "stations" | "figures" | "statistics" | "quality" | "warnings";
const panes: Record<Pane, () => JSX.Element> = { missed: Missed, stations: Stations, figures: Figures, statistics: Statistics, quality: Quality, warnings: Warnings };
const pane = signal<Pane>("missed");
const wall = signal(location.hash === "#wall");
addEventListener("hashchange", () => (wall.value = location.hash === "#wall"));

function Top(): JSX.Element {
  return (
    <header class="top">
      <h1>{unit.value === "command" ? c("title") : c("desk_of", { unit: unitName(unit.value) })}</h1>
      <LinePill /><StreamState /><time class="now">{clock(now.value)}</time><span class="grow" />
      <Button k="N" kind="main" onClick={() => ask("report")}>{t("new_report")}</Button>
      <Button k="H" onClick={() => ask("handover")}>{t("handover")}</Button>
      <ExerciseButton />
      <Button onClick={() => (location.hash = "wall")}>{c("wall")}</Button>
      <Button k="?" onClick={() => ask("help")}>{t("help")}</Button>
      <Toggles />
      <AccountButton />
      <Button kind="quiet" onClick={() => void logOut()}>{w("log_out")}</Button>
    </header>
  );
}

function Command(): JSX.Element {
  useDuty();
  useEffect(follow, []);
  useEffect(followWarnings, []);
  useDutyKeys(fitCity, !wall.value);
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
              {(Object.keys(panes) as Pane[]).map((p) => <Button key={p} pressed={pane.value === p} onClick={() => (pane.value = p)}>{p === "warnings" ? n(p) : c(p)}</Button>)}
            </div>
            <div class="pane"><Shown /></div>
          </section>
        </div>
        <Case />
      </main>
      <Undo />
      <Questions />
      <ExerciseDialog />
      <WarnDialog />
    </div>
  );
}

const Screen = (): JSX.Element => <Gate title={c("title")} inside={Command} />;

start(Screen);
