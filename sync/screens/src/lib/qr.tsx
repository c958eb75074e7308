// A QR code as one path, loaded when one is shown.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

export function QR(p: { text: string; label: string }): JSX.Element {
  const [path, setPath] = useState<{ d: string; size: number }>();
  useEffect(() => {
    let on = true;
    void import("uqr").then(({ encode }) => {
      const { data, size } = encode(p.text, { ecc: "M", border: 4 });
      const d = data.map((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")).join("")).join("");
      if (on) setPath({ d, size });
    });
    return () => {
      on = false;
    };
  }, [p.text]);
  return <svg class="qr" role="img" aria-label={`QR ${p.label}`} viewBox={`0 0 ${path?.size ?? 33} ${path?.size ?? 33}`} shape-rendering="crispEdges"><rect class="paper" width="100%" height="100%" />{path && <path class="ink" d={path.d} />}</svg>;
}
