// Administration: machines, officers, devices, wards, rules, and who changed what. An
// administrator changes, an auditor reads; to others it shows nothing.
import "../lib/base.css";
import "../desk/desk.css";
import "./admin.css";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { AccountButton, AccountDialog, accountOpen, MustChange } from "../lib/account";
import { clock, now } from "../lib/clock";
import { useKeys } from "../lib/keys";
import { logOut, me, unreachable } from "../lib/session";
import { start } from "../lib/start";
import { Button, LogIn, Toggles } from "../lib/ui";
import { w } from "../lib/words";
import { Changes } from "./changes";
import { Devices } from "./devices";
import { Officers } from "./officers";
import { Rules } from "./rules";
import { Stations } from "./stations";
import { Wards } from "./wards";
import { a } from "./words";

const parts = { stations: Stations, officers: Officers, devices: Devices, wards: Wards, rules: Rules, changes: Changes } as const;
type Part = keyof typeof parts;
const names = Object.keys(parts) as Part[];
const fromHash = (): Part => names.find((n) => `#${n}` === location.hash) ?? "stations";
const part = signal<Part>(fromHash());
addEventListener("hashchange", () => (part.value = fromHash()));
const open = (n: Part): void => {
  part.value = n; // at once: the next key is already the new part's
  location.hash = n;
};

function Admin(): JSX.Element {
  const o = me.value!;
  useKeys(Object.fromEntries(names.map((n, i) => [String(i + 1), () => open(n)])), !accountOpen.value);
  const Shown = parts[part.value];
  return (
    <div class="admin">
      <header class="top">
        <h1>{a("title")}</h1>
        {o.role === "auditor" && <b class="pill">{a("read_only")}</b>}
        <time class="now">{clock(now.value)}</time><span class="grow" />
        <Toggles />
        <AccountButton />
        <Button kind="quiet" onClick={() => void logOut()}>{w("log_out")}</Button>
      </header>
      <nav class="parts" aria-label={a("title")}>
        {names.map((n, i) => <a key={n} class="btn" href={`#${n}`} aria-current={n === part.value ? "page" : undefined} aria-keyshortcuts={String(i + 1)}><kbd aria-hidden="true">{i + 1}</kbd><span>{a(n)}</span></a>)}
      </nav>
      <main><Shown key={part.value} /></main>
      <AccountDialog />
    </div>
  );
}

function Screen(): JSX.Element {
  const o = me.value;
  useEffect(() => {
    document.title = `${a("title")} – ${w("app")}`;
  });
  if (o === undefined) return <main class="login" aria-busy="true"><h1>{w("app")}</h1><p role="status">{unreachable.value ? w("no_answer") : ""}</p></main>;
  if (o === null) return <LogIn title={a("title")} />;
  if (o.must_change) return <MustChange />;
  if (o.role !== "administrator" && o.role !== "auditor") {
    return <main class="login"><h1>{a("title")}</h1><p role="alert">{a("not_for_you", { role: w(o.role) })}</p><Button kind="main" onClick={() => void logOut()}>{w("log_out")}</Button></main>;
  }
  return <Admin />;
}

start(Screen);
