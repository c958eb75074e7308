// Where it happened, pointed at on a map of its own: with the pointer, or with the arrows and the map's middle.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CityMap, readWards, wards, type Ward } from "../lib/map";
import { theme } from "../lib/theme";
import { Button } from "../lib/ui";
import { unit } from "./state";
import { t } from "./words";

export interface Picked { lat: number; lon: number; accuracy_m: number }

/** How well a hand points, pixels: what they measure on the ground is the accuracy. */
const hand = 12;

/** The ward whose centre is nearest; its boundary may say another, and the city decides. */
export function nearest(list: readonly Ward[], lat: number, lon: number): Ward | undefined {
  const east = Math.cos((lat * Math.PI) / 180);
  const far = (w: Ward): number => ((w.centre[0] - lon) * east) ** 2 + (w.centre[1] - lat) ** 2;
  return list.reduce<Ward | undefined>((best, w) => (!best || far(w) < far(best) ? w : best), undefined);
}

export function PlacePick(p: { at: Picked | null; onPick: (at: Picked | null) => void }): JSX.Element {
  const el = useRef<HTMLDivElement>(null);
  const map = useRef<CityMap | null>(null);
  const pick = useRef(p.onPick);
  pick.current = p.onPick;
  const take = (lat: number, lon: number): void => {
    const m = map.current!.map;
    const at = m.latLngToContainerPoint([lat, lon]);
    pick.current({ lat: Number(lat.toFixed(6)), lon: Number(lon.toFixed(6)), accuracy_m: Math.max(5, Math.round(m.distance([lat, lon], m.containerPointToLatLng(at.add([hand, 0]))))) });
  };
  const middle = (): void => {
    const c = map.current!.map.getCenter();
    take(c.lat, c.lng);
  };
  useEffect(() => {
    const own = (x: Ward): boolean => unit.value === `ward/${x.code}`;
    const m = new CityMap(el.current!, { onPoint: ([lon, lat]) => take(lat, lon), fill: (x) => ({ title: x.name, own: own(x) }) });
    map.current = m;
    if (!wards.value.length) void readWards().catch(() => undefined); // without wards the map is bare, and still gives a place
    const here = wards.value.find(own);
    const list = here ? [...wards.value].sort((a, b) => near(a, here) - near(b, here)).slice(0, 5) : wards.value.filter((x) => Math.abs(x.centre[0] - 106.68) < 0.1 && Math.abs(x.centre[1] - 10.78) < 0.08);
    m.aim(list.map((x) => x.centre));
    return () => m.close();
  }, []);
  useEffect(() => map.current?.drawWards(wards.value), [wards.value, theme.value]);
  useEffect(() => map.current?.drawMarks(1, () => (p.at ? [{ id: "", place: p.at, priority: undefined, stale: false, chosen: true, title: () => "" }] : [])), [p.at]);
  const ward = p.at && nearest(wards.value, p.at.lat, p.at.lon);
  return (
    <div class="placepick" data-testid="placepick">
      <div class="map areamap" ref={el} role="application" aria-label={t("pick_map")} onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); middle(); } }} />
      <p class="row"><Button onClick={middle}>{t("pick_middle")}</Button><Button kind="quiet" title={t("zoom_in")} onClick={() => map.current?.zoom(1)}>+</Button><Button kind="quiet" title={t("zoom_out")} onClick={() => map.current?.zoom(-1)}>−</Button>
        {p.at && <Button kind="quiet" onClick={() => pick.current(null)}>{t("pick_none")}</Button>}</p>
      <p role="status" class="small">{p.at ? <><b>{p.at.lat.toFixed(5)}, {p.at.lon.toFixed(5)}</b> · {t("accuracy", { m: p.at.accuracy_m })}{ward ? ` · ${t("pick_near", { ward: ward.name })}` : ""}</> : <span class="dim">{t("pick_hint")}</span>}</p>
    </div>
  );
}

const near = (a: Ward, b: Ward): number => (a.centre[0] - b.centre[0]) ** 2 + (a.centre[1] - b.centre[1]) ** 2;
