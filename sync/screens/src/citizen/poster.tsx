// A page to print and hang up: a QR code that opens this page for one ward.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Page, type Unit } from "../lib/api";
import { QR } from "../lib/qr";
import { t } from "./words";

export function Poster(p: { onBack: () => void }): JSX.Element {
  const [wards, setWards] = useState<Unit[]>([]);
  const [ward, setWard] = useState(new URLSearchParams(location.search).get("ward") ?? "");
  useEffect(() => {
    // Names come with an officer's log-in; without one the code is typed.
    get<Page<Unit>>("/api/v1/units").then((u) => setWards(u.items.filter((x) => x.id.startsWith("ward/"))), () => undefined);
  }, []);
  const name = wards.find((x) => x.id === `ward/${ward}`)?.name ?? `${t("poster_ward")} ${ward}`;
  const url = `${location.origin}/citizen/${/^\d{5}$/.test(ward) ? `?ward=${ward}` : ""}`;
  return (
    <main class="page poster">
      <header class="head no-print"><button type="button" class="back" onClick={p.onBack}>‹ {t("back")}</button><h1>{t("poster")}</h1></header>
      <p class="row no-print">
        <label class="ask"><span>{t("poster_ward")}</span>
          {wards.length ? <select value={ward} onChange={(e) => setWard(e.currentTarget.value)}><option value="">–</option>{wards.map((x) => <option key={x.id} value={x.id.slice(5)}>{x.name}</option>)}</select>
            : <input inputMode="numeric" maxLength={5} value={ward} placeholder="26704" onInput={(e) => setWard(e.currentTarget.value)} />}
        </label>
        <button type="button" class="btn" onClick={() => print()}>{t("print")}</button>
      </p>
      <article class="sheet"><h2>{t("poster_title", { ward: name })}</h2><QR text={url} label={url} /><p>{t("poster_how")}</p><p class="url">{url}</p></article>
    </main>
  );
}
