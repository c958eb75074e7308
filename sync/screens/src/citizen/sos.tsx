// SOS: held for a second and a half, so that a pocket does not call; then five
// seconds in which a mistake costs nobody anything. What is on the way is said.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { submit } from "./model";
import { look } from "./place";
import { t } from "./words";
import { Picture } from "./parts";

const hold = 1500;
const grace = 5;

export function Sos(p: { onSent: (id: string) => void }): JSX.Element {
  const [holding, setHolding] = useState(false);
  const [left, setLeft] = useState<number>();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const taken = useRef(0);
  const sending = useRef(false);

  const down = (): void => {
    if (left !== undefined || holding) return;
    setHolding(true);
    look();
    timer.current = setTimeout(() => {
      setHolding(false);
      taken.current = Date.now();
      setLeft(grace);
      navigator.vibrate?.(200);
    }, hold);
  };
  const up = (): void => {
    clearTimeout(timer.current);
    setHolding(false);
  };
  const send = (): void => {
    if (sending.current) return;
    sending.current = true;
    setLeft(undefined);
    void submit({ category: "panic", text: "", placeText: "", photos: [], offset: { east: 0, north: 0 }, anonymous: true, name: "", phone: "", taken: taken.current })
      .then(p.onSent)
      .finally(() => (sending.current = false));
  };
  useEffect(() => {
    if (left === undefined) return;
    if (left === 0) {
      send();
      return;
    }
    const id = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(id);
  }, [left]);
  useEffect(() => () => clearTimeout(timer.current), []);

  if (left !== undefined)
    return (
      <div class="sos-count" role="alertdialog" aria-label={t("sos_sending", { n: left })}>
        <p class="count" role="status">{t("sos_sending", { n: left })}</p>
        <button type="button" class="big cancel" autofocus onClick={() => setLeft(undefined)}>{t("sos_cancel")}</button>
        <button type="button" class="big now" onClick={send}>{t("sos_now")}</button>
      </div>
    );
  return (
    <button
      type="button" class={`sos ${holding ? "holding" : ""}`} onPointerDown={down} onPointerUp={up} onPointerLeave={up} onPointerCancel={up} onContextMenu={(e) => e.preventDefault()}
      onKeyDown={(e) => { if ((e.key === " " || e.key === "Enter") && !e.repeat) down(); }} onKeyUp={up} onBlur={up}
    >
      <Picture of="panic" /><b>{t("sos")}</b><span>{t(holding ? "sos_holding" : "sos_hold")}</span>
    </button>
  );
}
