// Ward stations and core nodes: how each is, and which machine may speak.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, type Stamp, type Station } from "../lib/api";
import { dated, now, span } from "../lib/clock";
import { lang } from "../lib/i18n";
import { useKeys } from "../lib/keys";
import { Button, Field } from "../lib/ui";
import { machines, mayChange, stations, useLists, wardName, wards, type CoreNode, type Machine } from "./data";
import { AgeOf, Dash, FormDialog, Once, Sure, Table } from "./parts";
import { a, type Key } from "./words";

type Asking = { kind: "token"; ward?: string } | { kind: "revoke"; name: string } | { kind: "rotate" } | { kind: "drop" } | null;
const asking = signal<Asking>(null);

const ago = (at: Stamp | undefined): string => (at ? span(now.value - Date.parse(at)) : a("never"));
const bytes = (n: number): string => (n >= 2 ** 30 ? `${(n / 2 ** 30).toLocaleString(lang.value, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} GiB` : `${Math.round(n / 2 ** 20)} MiB`);

interface Line { station: Station; machine: Machine | undefined }

/** Every station that the city knows of, the ones that need somebody first. */
function rows(): Line[] {
  const list = stations.value.value.map((station) => ({ station, machine: machines.value.value.items.find((m) => m.name === `station/${station.ward}`) }));
  const rank = (l: Line): number => (l.station.enrolment === "revoked" ? 3 : l.station.enrolment === "held" ? 0 : l.station.connected ? 2 : 1);
  return list.sort((x, y) => rank(x) - rank(y) || (x.station.ward < y.station.ward ? -1 : 1));
}

function Health(p: { of: Station }): JSX.Element {
  const h = p.of.health;
  if (!h) return <Dash />;
  const skew = Math.round(h.clock_ms / 1000);
  return (
    <ul class="facts-list">
      <li class={h.room === "all" ? "" : "loud"}>{a("disk")}: {bytes(h.free)}{h.room === "all" ? "" : ` – ${a(`room_${h.room}` as Key)}`}</li>
      <li class={Math.abs(skew) > 2 ? "loud" : ""}>{a("clock")}: {Math.abs(skew) <= 2 ? a("clock_ok") : a(skew > 0 ? "clock_ahead" : "clock_behind", { s: span(Math.abs(skew) * 1000) })}</li>
      {h.lag > 0 && <li>{a("waiting_n", { n: h.lag })}</li>}
      {h.quarantined > 0 && <li class="loud">{a("quarantined_n", { n: h.quarantined })}</li>}
      {h.certificate_until && <li class={Date.parse(h.certificate_until) - now.value < 7 * 86_400_000 ? "loud" : ""}>{a("certificate")}: {dated(h.certificate_until)}</li>}
      {h.incarnation && <li class="dim">{a("incarnation")}: <span class="mono">{h.incarnation}</span></li>}
    </ul>
  );
}

export function Stations(): JSX.Element {
  useLists(stations, machines, wards);
  const change = mayChange();
  useKeys({ N: () => change && (asking.value = { kind: "token" }) }, asking.value === null);
  const old = stations.at.value === 0 || Date.now() - stations.at.value > 60_000;
  void now.value;
  return (
    <>
      <section class="panel" aria-labelledby="h-stations">
        <div class="head"><h2 id="h-stations">{a("stations")}</h2>{change && <Button k="N" kind="main" onClick={() => (asking.value = { kind: "token" })}>{a("add_station")}</Button>}</div>
        <AgeOf of={stations as never} />
        <Table label={a("stations")} of={rows()} id={(l) => l.station.id} none={a("no_stations")} dim={(l) => l.station.enrolment === "revoked"} stale={(l) => old || (!l.station.connected && l.station.enrolment !== "revoked")}
          columns={[
            { head: a("ward"), name: true, cell: (l) => wardName(l.station.ward) },
            { head: a("line"), cell: (l) => <b>{l.station.enrolment === "revoked" ? a("off_duty") : old ? "?" : l.station.connected ? a("connected") : l.station.last_heard ? a("silent_for", { age: ago(l.station.last_heard) }) : a("never_heard")}</b> },
            { head: a("last_heard"), cell: (l) => (l.station.last_heard ? dated(l.station.last_heard) : <Dash />) },
            { head: a("enrolment"), cell: (l) => <>{l.station.enrolment ? a(`state_${l.station.enrolment}` as Key) : <Dash />}{l.machine && l.machine.epoch > 1 ? <small class="dim"> {a("epoch_n", { n: l.machine.epoch })}</small> : null}</> },
            { head: a("health"), cell: (l) => (old || !l.station.connected ? (l.station.enrolment === "revoked" ? <Dash /> : "?") : <Health of={l.station} />) },
            { head: a("alarms"), wide: true, cell: (l) => (l.station.alarms?.length ? <ul class="facts-list">{l.station.alarms.map((x) => <li key={x} class="loud">{x}</li>)}</ul> : <Dash />) },
            ...(change ? [{ head: a("do"), cell: (l: Line) => <StationActions of={l} /> }] : []),
          ]} />
      </section>
      <Nodes />
      <Questions />
    </>
  );
}

function StationActions(p: { of: Line }): JSX.Element {
  const { station } = p.of;
  const name = `station/${station.ward}`;
  return (
    <div class="row">
      <Button onClick={() => (asking.value = { kind: "token", ward: station.ward })}>{a("new_token")}</Button>
      {station.enrolment !== "revoked" && <Button kind="danger" onClick={() => (asking.value = { kind: "revoke", name })}>{a("revoke")}</Button>}
    </div>
  );
}

function Nodes(): JSX.Element {
  const m = machines.value.value;
  const revoked = new Set(m.items.filter((x) => x.name.startsWith("node/") && x.state === "revoked").map((x) => x.name.slice(5)));
  const others = [...revoked].filter((id) => !m.nodes.some((x) => x.id === id)).map((id): CoreNode => ({ id, answers: false, leads: false }));
  const change = mayChange();
  return (
    <section class="panel" aria-labelledby="h-nodes">
      <div class="head"><h2 id="h-nodes">{a("nodes")}</h2></div>
      <AgeOf of={machines as never} />
      <dl class="facts">
        <dt>{a("authority")}</dt><dd>{m.authority.current === 0 ? "?" : m.authority.oldest === m.authority.current ? a("generation", { n: m.authority.current }) : a("generations", { from: m.authority.oldest, n: m.authority.current })}</dd>
        <dt>{a("fingerprint")}</dt><dd class="mono">{m.authority.fingerprint || "?"}</dd>
      </dl>
      <Table label={a("nodes")} of={[...m.nodes, ...others]} id={(x) => x.id} none={a("reading")} dim={(x) => revoked.has(x.id)} stale={(x) => !x.answers && !revoked.has(x.id)}
        columns={[
          { head: a("node"), name: true, cell: (x) => x.id },
          { head: a("state"), cell: (x) => <b>{revoked.has(x.id) ? a("revoked") : x.answers ? a("connected") : a("no_answer_node")}</b> },
          { head: a("leads"), cell: (x) => (x.leads ? a("leads_yes") : <Dash />) },
          { head: a("reached_at"), cell: (x) => (x.sync ? <span class="mono">{x.sync}</span> : <Dash />) },
          ...(change ? [{ head: a("do"), cell: (x: CoreNode) => (revoked.has(x.id) ? <Dash /> : <Button kind="danger" onClick={() => (asking.value = { kind: "revoke", name: `node/${x.id}` })}>{a("revoke")}</Button>) }] : []),
        ]} />
      {change && (
        <div class="row">
          <Button onClick={() => (asking.value = { kind: "rotate" })}>{a("rotate")}</Button>
          {m.authority.oldest < m.authority.current && <Button kind="danger" onClick={() => (asking.value = { kind: "drop" })}>{a("drop")}</Button>}
        </div>
      )}
    </section>
  );
}

interface Token { token: string; until: Stamp }

/** What is pasted on the box: it writes the configuration, enrols the station and runs it. */
export const command = (ward: string, token: string, sync: readonly string[] | undefined): string =>
  `wardline edge init --run --dir /var/lib/wardline/${ward} --ward ${ward} \\\n  --core ${sync?.length ? sync.join(",") : "HOST:7001"} \\\n  --token ${token}`;

function Questions(): JSX.Element | null {
  const [made, setMade] = useState<{ ward: string; t: Token } | null>(null);
  const q = asking.value;
  const close = (): void => { asking.value = null; };
  const reload = (): void => { void stations.read(); void machines.read(); };
  const change = async (body: object): Promise<void> => {
    await post("/api/v1/machines", body);
    close();
    reload();
  };
  if (made) {
    return (
      <Once title={a("token_for", { ward: wardName(made.ward) })} text={a("token_text", { until: dated(made.t.until) })} onClose={() => setMade(null)}
        lines={[{ label: a("paste"), value: command(made.ward, made.t.token, machines.value.value.nodes.map((n) => n.sync ?? "").filter(Boolean)), long: true }, { label: a("token_alone"), value: made.t.token, long: true }]} />
    );
  }
  if (!q) return null;
  if (q.kind === "token") {
    return (
      <FormDialog title={q.ward ? a("token_for", { ward: wardName(q.ward) }) : a("add_station")} submit={a("make_token")} onClose={close}
        send={async (f) => {
          const ward = String(f.get("ward")).trim().slice(0, 5);
          const names = String(f.get("names")).split(/[\s,]+/).filter(Boolean);
          const t = await post<Token>("/api/v1/machines", { op: "token", name: `station/${ward}`, names, for_s: 3600 * Number(f.get("hours")) });
          close();
          setMade({ ward, t });
          reload();
        }}>
        {q.ward ? <input type="hidden" name="ward" value={q.ward} /> : <WardField />}
        {q.ward && <p>{a("token_again")}</p>}
        <Field label={a("names")} hint={a("names_hint")}><input name="names" autocomplete="off" spellcheck={false} placeholder="10.0.0.5, tram-27031.lan" /></Field>
        <Field label={a("good_for")}><select name="hours"><option value="1">{a("hours_n", { n: 1 })}</option><option value="24" selected>{a("hours_n", { n: 24 })}</option><option value="168">{a("hours_n", { n: 168 })}</option></select></Field>
      </FormDialog>
    );
  }
  if (q.kind === "rotate") return <FormDialog title={a("rotate")} submit={a("rotate")} onClose={close} send={() => change({ op: "rotate" })}><p>{a("rotate_text")}</p></FormDialog>;
  if (q.kind === "drop") {
    const oldest = String(machines.value.value.authority.oldest);
    return <Sure title={a("drop")} text={a("drop_text")} name={oldest} submit={a("drop")} onClose={close} send={() => change({ op: "retire" })} />;
  }
  return <Sure title={a("revoke_what", { name: q.name })} text={a(q.name.startsWith("node/") ? "revoke_node_text" : "revoke_text")} name={q.name.split("/")[1]!} submit={a("revoke")} onClose={close} send={() => change({ op: "revoke", name: q.name })} />;
}

/** A ward by its code; the list of names helps to find it. */
export function WardField(p: { name?: string; optional?: boolean; value?: string }): JSX.Element {
  return (
    <Field label={a("ward_code")} hint={a("ward_hint")}>
      <input name={p.name ?? "ward"} list="wards" required={!p.optional} pattern="[0-9]{5}" maxLength={5} inputMode="numeric" autocomplete="off" defaultValue={p.value ?? ""} />
      <datalist id="wards">{wards.value.value.map((x) => <option key={x.code} value={x.code} label={x.name} />)}</datalist>
    </Field>
  );
}
