// The ward desk.
import "../lib/base.css";
import "./desk.css";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { start } from "../lib/start";
import { ask } from "./ask";
import { Case } from "./case";
import { Questions } from "./dialogs";
import { Gate, useDuty, useDutyKeys } from "./duty";
import { begun } from "./forms";
import { fitMap, MapView } from "./mapview";
import { Queue } from "./queue";
import { unit, unitName } from "./state";
import { Strip } from "./strip";
import { Banners, Top } from "./top";
import { WarnDialog, WarningBanner } from "./warn";
import { followWarnings } from "../lib/alerts";
import { t } from "./words";

function Desk(): JSX.Element {
  useDuty();
  useEffect(() => {
    if (!begun()) ask("shift");
  }, []);
  useEffect(followWarnings, []);
  useDutyKeys(fitMap);
  return (
    <div class="desk">
      <Top title={<>{t("title")} <span class="dim">{unitName(unit.value)}</span></>} />
      <div><Banners /><WarningBanner /></div>
      <main class="body">
        <Queue />
        <div class="middle"><MapView /><Strip /></div>
        <Case />
      </main>
      <Questions />
      <WarnDialog />
    </div>
  );
}

const Screen = (): JSX.Element => <Gate title={t("title")} inside={Desk} />;

start(Screen);
