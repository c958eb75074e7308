// Places of help near the chosen incident: hydrants for a fire, defibrillators and clinics
// for people. The node that answers has them itself, so they are there in a cut too.
import { effect, signal } from "@preact/signals";
import type { JSX } from "preact";
import { get, type Category, type Incident } from "../lib/api";
import { words } from "../lib/i18n";
import { detail } from "./state";

export type PointKind = "hydrant" | "water" | "fire_station" | "defibrillator" | "clinic" | "police" | "shelter" | "other";
export interface HelpPoint { id?: string; kind: PointKind; name?: string; lat: number; lon: number; distance_m: number }

export const h = words(
  { nearby: "Gần nơi xảy ra", hydrant: "Trụ nước", water: "Nguồn nước", fire_station: "Đội chữa cháy", defibrillator: "Máy sốc tim", clinic: "Cơ sở y tế", police: "Công an", shelter: "Nơi tránh trú", other: "Điểm hỗ trợ", metres: "{m} m", none: "Không có điểm nào trong {m} m." },
  { nearby: "Near the place", hydrant: "Hydrant", water: "Water", fire_station: "Fire station", defibrillator: "Defibrillator", clinic: "Clinic", police: "Police", shelter: "Shelter", other: "Place of help", metres: "{m} m", none: "Nothing within {m} m." },
);

/** What is looked for first, by category; others are only on the map. */
const first: Partial<Record<Category, PointKind[]>> = { fire: ["hydrant", "water"], medical: ["defibrillator", "clinic"], traffic_accident: ["clinic", "defibrillator"], emergency: ["clinic", "shelter"] };
const within = 1500;

/** Those near the chosen incident; the city has imported `total` in all. */
export const help = signal<{ at: string; total: number; list: readonly HelpPoint[] }>({ at: "", total: 0, list: [] });

const placeOf = (i: Incident | null): string => (i?.place && i.category && first[i.category] ? `${i.place.lat.toFixed(5)}/${i.place.lon.toFixed(5)}` : "");

effect(() => {
  const i = detail.value;
  const at = placeOf(i);
  if (at === help.peek().at) return;
  help.value = { at, total: 0, list: [] };
  if (!at) return;
  const [lat, lon] = at.split("/");
  get<{ count: number; items: HelpPoint[] }>(`/api/v1/points?lat=${lat}&lon=${lon}&within=${within}&limit=50`).then(
    (r) => {
      if (help.peek().at === at) help.value = { at, total: r.count, list: r.items };
    },
    () => undefined, // an incident that is read again asks again
  );
});

/** The nearest three, with their distance. */
export function Nearby(p: { i: Incident }): JSX.Element | null {
  const now = help.value;
  if (!now.at || now.at !== placeOf(p.i) || now.total === 0) return null;
  const kinds = first[p.i.category!]!;
  const list = now.list.filter((x) => kinds.includes(x.kind)).slice(0, 3);
  return (
    <section data-testid="nearby">
      <h3>{h("nearby")}</h3>
      {list.length ? <ul>{list.map((x) => <li key={x.kind + x.lat + x.lon}><b>{h("metres", { m: x.distance_m })}</b> {h(x.kind)}{x.name ? ` – ${x.name}` : ""}{x.id ? <span class="dim"> {x.id}</span> : null}</li>)}</ul> : <p class="dim">{h("none", { m: within })}</p>}
    </section>
  );
}

/** As the map shows them. */
export const helpMarks = (): { at: [number, number]; title: string }[] => help.value.list.map((x) => ({ at: [x.lon, x.lat], title: `${h(x.kind)}${x.name ? ` – ${x.name}` : ""} · ${h("metres", { m: x.distance_m })}` }));
