// "It is not where I stand": a mark that is dragged away from the phone's own
// place, with distances instead of a map, which a phone without a network lacks.
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { bearing, type Fix } from "./place";
import { t } from "./words";

export interface Offset { east: number; north: number }

/** Half the side of the field in metres; farther away, people name the place in words. */
const reach = 300;
const rings = [50, 100, 200];

export function Pin(p: { fix: Fix; at: Offset; onMove: (o: Offset) => void }): JSX.Element {
  const svg = useRef<SVGSVGElement>(null);
  const limit = (v: number): number => Math.max(-reach, Math.min(reach, Math.round(v)));
  const follow = (e: PointerEvent): void => {
    const box = svg.current!.getBoundingClientRect();
    p.onMove({ east: limit(((e.clientX - box.left) / box.width - 0.5) * 2 * reach), north: limit((0.5 - (e.clientY - box.top) / box.height) * 2 * reach) });
  };
  const steps: Record<string, [number, number]> = { ArrowUp: [0, 10], ArrowDown: [0, -10], ArrowRight: [10, 0], ArrowLeft: [-10, 0] };
  const far = Math.round(Math.hypot(p.at.east, p.at.north));
  const where = t("place_moved", { m: far, dir: t(bearing(p.at.east, p.at.north)) });
  return (
    <figure class="pin">
      <svg
        ref={svg} viewBox={`${-reach} ${-reach} ${2 * reach} ${2 * reach}`} tabIndex={0} role="application" aria-label={`${t("place_move")}. ${where}`}
        onPointerDown={(e) => { svg.current!.setPointerCapture(e.pointerId); follow(e); }}
        onPointerMove={(e) => { if (e.buttons) follow(e); }}
        onKeyDown={(e) => {
          const s = steps[e.key];
          if (!s) return;
          e.preventDefault();
          p.onMove({ east: limit(p.at.east + s[0]), north: limit(p.at.north + s[1]) });
        }}
      >
        {rings.map((r) => <g key={r}><circle class="ring" r={r} /><text class="metres" x="0" y={-r - 4} text-anchor="middle">{r} m</text></g>)}
        <text class="metres" x="0" y={-reach + 24} text-anchor="middle">▲ {t("n")}</text>
        <circle class="doubt" cx={p.at.east} cy={-p.at.north} r={Math.min(reach, p.fix.accuracy)} />
        <circle class="me" r="9" />
        <line class="way" x2={p.at.east} y2={-p.at.north} />
        <path class="mark" d={`M${p.at.east} ${-p.at.north}l-16 -34a18 18 0 1 1 32 0z`} />
      </svg>
      <figcaption>
        <small>{t("place_drag")}</small>
        {far > 0 && <p class="row"><b>{where}</b><button type="button" class="btn" onClick={() => p.onMove({ east: 0, north: 0 })}>{t("place_reset")}</button></p>}
      </figcaption>
    </figure>
  );
}
