import "../lib/base.css";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { me } from "../lib/session";
import { start } from "../lib/start";
import { Incidents } from "../lib/store";
import { LinePill, LogIn, PriorityMark, StreamState, Toggles } from "../lib/ui";
import { w } from "../lib/words";

const open = new Incidents("/api/v1/incidents?status=open&limit=1000", (r) => r.status !== "closed");

function Screen(): JSX.Element {
  const who = me.value;
  useEffect(() => {
    if (who) open.start();
  }, [who]);
  if (who === undefined) return <main class="login" aria-busy="true" />;
  if (who === null) return <LogIn title={w("app")} />;
  return (
    <main>
      <p class="row"><StreamState /><LinePill /><Toggles /></p>
      <ul>{open.list().map((r) => <li key={r.id}><PriorityMark of={r.priority} /> {r.category && w(r.category)} {w(r.status)}</li>)}</ul>
    </main>
  );
}

start(Screen);
