// The city: each ward in the colour of its worst open incident, silent stations hatched.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { lang } from "../lib/i18n";
import { stream } from "../lib/live";
import { CityMap, colour, readWards, wards, type Ward } from "../lib/map";
import { now, span } from "../lib/clock";
import { theme } from "../lib/theme";
import { Age, Button } from "../lib/ui";
import { w } from "../lib/words";
import { choose, chosen, incidents, wanted } from "../desk/state";
import { marksOf } from "../desk/mapview";
import { help, helpMarks } from "../desk/nearby";
import { t } from "../desk/words";
import { ofWard, silentStations, stations, wardStates } from "./state";
import { c } from "./words";

let refit: () => void = () => undefined;
/** ★: the map fits itself again. */
export const fitCity = (): void => refit();

/** What a ward's name says when pointed at. */
function told(x: Ward): string {
  const s = wardStates.value.get(x.code);
  const quiet = silentStations.value.get(x.code);
  const has = stations.value.some((y) => y.ward === x.code);
  const parts = [x.name, s ? `${c("open_n", { n: s.open })}${s.worst ? `, ${c("worst", { p: s.worst })}` : ""}` : c("none_open")];
  if (quiet) parts.push(quiet.last_heard ? c("station_silent", { age: span(now.peek() - Date.parse(quiet.last_heard)) }) : c("station_never"));
  else parts.push(has ? c("station_ok") : c("no_station"));
  return parts.join(" · ");
}

export function CityView(p: { controls: boolean }): JSX.Element {
  const el = useRef<HTMLDivElement>(null);
  const map = useRef<CityMap | null>(null);
  const [byHand, setByHand] = useState(false);
  useEffect(() => {
    const m = new CityMap(el.current!, {
      onMark: choose, onMoved: () => setByHand(true), onWard: (x) => ofWard(x.code),
      fill: (x) => {
        const s = wardStates.value.get(x.code);
        return { title: told(x), ...(s?.worst ? { colour: colour("--" + s.worst.toLowerCase()) } : {}), hatched: silentStations.value.has(x.code) };
      },
    });
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
  const look = theme.value + lang.value;
  const states = [...wardStates.value].map(([code, x]) => code + (x.worst ?? "")).join() + [...silentStations.value.keys()].join();
  useEffect(() => {
    map.current?.drawWards(list);
  }, [list, look, states]);
  const live = stream.value === "live";
  const rows = wanted.value;
  const on = chosen.value;
  useEffect(() => {
    const shown = rows.slice(0, 2000);
    map.current?.drawMarks(shown.length, () => marksOf(shown, on, live));
    // The wards of the old city lie close together and the islands far off: look at where most are, and at what is open.
    const mid = (of: (x: Ward) => number): number => list.map(of).sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
    const [lon, lat] = [mid((x) => x.centre[0]), mid((x) => x.centre[1])];
    map.current?.aim([
      ...list.filter((x) => Math.abs(x.centre[0] - lon) < 0.2 && Math.abs(x.centre[1] - lat) < 0.15).map((x) => x.centre),
      ...list.filter((x) => wardStates.value.get(x.code)?.worst === "P1" && Math.abs(x.centre[0] - lon) < 1 && Math.abs(x.centre[1] - lat) < 1).flatMap((x) => x.rings[0]![0]!.map(([y, z]) => [z, y] as const)),
      ...shown.flatMap((r) => (r.place && Math.abs(r.place.lon - lon) < 1 && Math.abs(r.place.lat - lat) < 1 ? [[r.place.lon, r.place.lat] as const] : [])),
    ]);
  }, [list, rows, on, live, look]);
  const marks = helpMarks();
  useEffect(() => map.current?.drawHelp(marks), [help.value, look]);
  return (
    <section class={`panel mapview ${live ? "" : "stale"}`} aria-label={c("city")} data-testid="city">
      <div class="head">
        <h2>{c("city")} <span class="dim">{c("open_n", { n: incidents.list().length })}{silentStations.value.size ? ` · ${c("silent_n", { n: silentStations.value.size })}` : ""}</span></h2>
        {p.controls && (
          <>
            <Button k="F" pressed={!byHand} onClick={fitCity}>{byHand ? t("follow") : t("following")}</Button>
            <Button kind="quiet" title={t("zoom_in")} onClick={() => map.current?.zoom(1)}>+</Button>
            <Button kind="quiet" title={t("zoom_out")} onClick={() => map.current?.zoom(-1)}>−</Button>
          </>
        )}
        <Age at={incidents.filledAt.value} />
      </div>
      <div class="map" ref={el} role="application" aria-label={c("city")} />
      {p.controls && <p class="note dim small">{c("search_hint")} {list.some((x) => !x.exact) ? w("no_boundaries") : ""}</p>}
    </section>
  );
}
