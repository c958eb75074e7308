import "../lib/base.css";
import "./citizen.css";
import type { JSX } from "preact";
import { lang, setLang } from "../lib/i18n";
import { categories, type Category } from "../lib/api";
import { start } from "../lib/start";
import { AlertBanner, followAlerts } from "./alerts";
import { Form } from "./form";
import { Follow, Mine } from "./mine";
import { begin, kept, noStore, now, offlineSince, page, registered } from "./model";
import { Calls, Picture } from "./parts";
import { Poster } from "./poster";
import { Practice } from "./practice";
import { Sos } from "./sos";
import { latest } from "./states";
import { t } from "./words";

const tiles: Category[] = ["fire", "emergency", "medical", "crime", "traffic_accident", "security"];
const go = (hash: string): void => {
  location.hash = hash;
  scrollTo(0, 0);
};
const home = (): void => go("");
const sent = (id: string): void => go(`mine/${id}`);

/** What is wrong now, in words, above everything. */
function Banner(): JSX.Element | null {
  void now.value;
  const cut = offlineSince.value > 0;
  return (
    <>
      <Practice />
      {cut && <p class="banner" role="status">{t("offline")}</p>}
      {noStore.value && <p class="banner" role="alert">{t("no_store")}</p>}
      {!cut && !registered.value && kept.value.some((k) => !k.sent && !k.refused) && <p class="banner" role="status">{t("not_ready")}</p>}
      {cut && performance.now() - offlineSince.value > 10_000 && <Calls big />}
    </>
  );
}

function Home(): JSX.Element {
  const last = kept.value[0];
  return (
    <main class="page">
      <header class="head"><h1>{t("title")}</h1><button type="button" class="back" lang={lang.value === "vi" ? "en" : "vi"} onClick={() => setLang(lang.value === "vi" ? "en" : "vi")}>{t("language")}</button></header>
      <Banner />
      <AlertBanner />
      {last && last.status !== "closed" && (
        <button type="button" class="last" onClick={() => sent(last.id)}><Picture of={last.category} /><span><small>{t("mine")}</small><b>{t(`tile_${last.category}`)}: {t(latest(last))}</b></span></button>
      )}
      <Sos onSent={sent} />
      <h2>{t("lead")}</h2>
      <ul class="tiles">{tiles.map((c) => <li key={c}><button type="button" class={c} onClick={() => go(`form/${c}`)}><Picture of={c} /><span>{t(`tile_${c}`)}</span></button></li>)}</ul>
      <p class="row"><button type="button" class="btn" onClick={() => go("form/feedback")}>{t("tile_feedback")}</button><button type="button" class="btn" onClick={() => go("mine")}>{t("mine")} ({kept.value.length})</button></p>
      <Calls />
    </main>
  );
}

function Screen(): JSX.Element {
  const at = page.value;
  document.title = t("title");
  switch (at.at) {
    case "form":
      return categories.includes(at.category) ? <><Banner /><Form key={at.category} category={at.category} onSent={sent} onBack={home} /></> : <Home />;
    case "mine":
      return <><Banner /><Mine {...(at.id ? { id: at.id } : {})} onBack={home} onOpen={sent} /></>;
    case "follow":
      return <Follow code={at.code} onBack={home} />;
    case "poster":
      return <Poster onBack={home} />;
    default:
      return <Home />;
  }
}

begin();
followAlerts();
start(Screen, false);
