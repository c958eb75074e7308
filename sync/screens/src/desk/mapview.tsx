// The map of the ward: where the queue's incidents are.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ID, Row } from "../lib/api";
import { span } from "../lib/clock";
import { e } from "../lib/exercises";
import { stream } from "../lib/live";
import { CityMap, readWards, wards, type Mark } from "../lib/map";
import { theme } from "../lib/theme";
import { Age, Button } from "../lib/ui";
import { w } from "../lib/words";
import { choose, chosen, incidents, unit, wanted } from "./state";
import { help, helpMarks } from "./nearby";
import { t } from "./words";

/** How exact a place is, and how old it was when the report came. */
function placeNote(r: Row): string {
  const { accuracy_m, fixed_at } = r.place!;
  const age = fixed_at && r.received_at ? ` · ${t("fix_age", { age: span(Date.parse(r.received_at) - Date.parse(fixed_at)) })}` : "";
  return `${accuracy_m > 0 ? t("accuracy", { m: Math.round(accuracy_m) }) : ""}${age}`;
}

/** As the map draws them: the first of the queue above the others, the chosen one above all, with how well its place is known. */
export function marksOf(rows: readonly Row[], on: ID | null, live: boolean): Mark[] {
  const marks: Mark[] = [];
  for (const r of rows) {
    if (r.place) marks.push({ id: r.id, note: r.id === on ? () => placeNote(r) : undefined, place: r.place, priority: r.priority, stale: !live, chosen: r.id === on, practice: r.exercise !== undefined, title: () => `${r.exercise ? e("exercise") + " " : ""}${r.priority ?? ""} ${r.category ? w(r.category) : ""} ${r.brief?.text ?? ""}` });
  }
  marks.reverse();
  const at = marks.findIndex((m) => m.chosen);
  if (at >= 0) marks.push(...marks.splice(at, 1));
  return marks;
}

let refit: () => void = () => undefined;
/** ★: the map fits itself again. */
export const fitMap = (): void => refit();

export function MapView(): JSX.Element {
  const el = useRef<HTMLDivElement>(null);
  const map = useRef<CityMap | null>(null);
  const [byHand, setByHand] = useState(false);
  useEffect(() => {
    const m = new CityMap(el.current!, { onMark: choose, onMoved: () => setByHand(true), fill: (x) => (`ward/${x.code}` === unit.value ? { own: true } : undefined) });
    map.current = m;
    refit = () => {
      m.fit();
      setByHand(false);
    };
    let gone = false;
    const read = async (): Promise<void> => {
      while (!gone) {
        try {
          await readWards();
          return;
        } catch {
          await new Promise((done) => setTimeout(done, 3000));
        }
      }
    };
    if (!wards.value.length) void read();
    return () => {
      gone = true;
      refit = () => undefined;
      m.close();
    };
  }, []);
  const list = wards.value;
  const look = theme.value;
  useEffect(() => map.current?.drawWards(list), [list, look]);
  const live = stream.value === "live";
  const rows = wanted.value;
  const on = chosen.value;
  useEffect(() => {
    map.current?.drawMarks(rows.length, () => marksOf(rows, on, live));
    const p1 = rows.find((r) => r.priority === "P1" && r.place);
    const mine = list.find((x) => `ward/${x.code}` === unit.value);
    const edge = mine?.rings.flat(2).map(([lat, lon]) => [lat, lon] as const).map(([lat, lon]) => [lon, lat] as const) ?? [];
    map.current?.aim(p1?.place ? [...edge, [p1.place.lon, p1.place.lat] as const] : edge);
  }, [rows, on, live, list, look]);
  const marks = helpMarks();
  useEffect(() => map.current?.drawHelp(marks), [help.value, look]);
  return (
    <section class={`panel mapview ${live ? "" : "stale"}`} aria-label={t("map")}>
      <div class="head">
        <h2>{t("map")}</h2>
        <Button k="F" pressed={!byHand} onClick={fitMap}>{byHand ? t("follow") : t("following")}</Button>
        <Button kind="quiet" title={t("zoom_in")} onClick={() => map.current?.zoom(1)}>+</Button>
        <Button kind="quiet" title={t("zoom_out")} onClick={() => map.current?.zoom(-1)}>−</Button>
        <Age at={incidents.filledAt.value} />
      </div>
      <div class="map" ref={el} role="application" aria-label={t("map")} />
      {list.some((x) => !x.exact && `ward/${x.code}` === unit.value) && <p class="note dim small">{w("no_boundaries")}</p>}
    </section>
  );
}
