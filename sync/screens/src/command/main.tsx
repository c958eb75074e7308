// The command centre, and a department's desk: the desk's queue and case with the
// city in the middle. What an officer sees of it is decided by the server.
import "../lib/base.css";
import "../desk/desk.css";
import "./command.css";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { start } from "../lib/start";
import { stream } from "../lib/live";
import { Age, Button } from "../lib/ui";
import { Case } from "../desk/case";
import { Questions } from "../desk/dialogs";
import { ExerciseButton, ExerciseDialog } from "../desk/exercise";
import { Gate, useDuty, useDutyKeys } from "../desk/duty";
import { Queue } from "../desk/queue";
import { incidents, parkedRows, unit, unitName } from "../desk/state";
import { Contacts, ParkedList } from "../desk/strip";
import { Banners, Top } from "../desk/top";
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

type Pane = "missed" | "parked" | "contacts" | "stations" | "figures" | "statistics" | "quality" | "warnings";
const panes: Record<Pane, () => JSX.Element> = { missed: Missed, parked: ParkedList, contacts: Contacts, stations: Stations, figures: Figures, statistics: Statistics, quality: Quality, warnings: Warnings };
const pane = signal<Pane>("missed");
const wall = signal(location.hash === "#wall");
addEventListener("hashchange", () => (wall.value = location.hash === "#wall"));

function Command(): JSX.Element {
  useDuty();
  useEffect(follow, []);
  useEffect(followWarnings, []);
  useDutyKeys(fitCity, !wall.value);
  if (wall.value) return <Wall />;
  const Shown = panes[pane.value];
  return (
    <div class="desk command">
      <Top title={unit.value === "command" ? c("title") : <>{c("desk_of", { unit: unit.value })} <span class="dim fullname">{unitName(unit.value)}</span></>}>
        <ExerciseButton />
        <Button onClick={() => (location.hash = "wall")}>{c("wall")}</Button>
      </Top>
      <Banners />
      <main class="body">
        <Queue />
        <div class="middle">
          <CityView controls />
          <section class={`panel panes ${stream.value === "live" ? "" : "stale"}`}>
            <div class="row" role="group" aria-label={c("figures")}>
              {(Object.keys(panes) as Pane[]).map((p) => <Button key={p} pressed={pane.value === p} onClick={() => (pane.value = p)}>{p === "warnings" ? n(p) : p === "parked" ? `${t(p)} ${parkedRows.value.length}` : p === "contacts" ? t(p) : c(p)}</Button>)}
              <Age at={incidents.filledAt.value} />
            </div>
            <div class="pane"><Shown /></div>
          </section>
        </div>
        <Case />
      </main>
      <Questions />
      <ExerciseDialog />
      <WarnDialog />
    </div>
  );
}

const Screen = (): JSX.Element => <Gate title={c("title")} inside={Command} />;

start(Screen);
