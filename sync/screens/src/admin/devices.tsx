// Devices with a secret of their own: kiosks, buttons, panels, bridges, cameras.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { del, put } from "../lib/api";
import { useKeys } from "../lib/keys";
import { Button, Field } from "../lib/ui";
import { devices, mayChange, stations, useLists, wardName, wards, type Device } from "./data";
import { AgeOf, Dash, FormDialog, Once, Sure, Table } from "./parts";
import { WardField } from "./stations";
import { a, type Key } from "./words";

export const kinds = ["app", "kiosk", "button", "panel", "bridge", "camera"] as const;
type Asking = { kind: "add"; of?: Device } | { kind: "revoke"; of: Device } | null;
const asking = signal<Asking>(null);
const ward = signal("");
const kind = signal("");
const gone = signal(false);
/** More rows are no list that somebody reads; the filters find the rest. */
const most = 500;

const kindName = (k: string | undefined): string => ((kinds as readonly string[]).includes(k ?? "") ? a(`kind_${k}` as Key) : (k ?? ""));

export function Devices(): JSX.Element {
  useLists(devices, wards, stations);
  const change = mayChange();
  useKeys({ N: () => change && (asking.value = { kind: "add" }) }, asking.value === null);
  const list = devices.value.value.filter((d) => (gone.value || !d.revoked) && (!ward.value || d.ward === ward.value) && (!kind.value || d.kind === kind.value));
  const at = [...new Set(devices.value.value.map((d) => d.ward ?? "").filter(Boolean))].sort();
  return (
    <section class="panel" aria-labelledby="h-devices">
      <div class="head"><h2 id="h-devices">{a("devices")}</h2>{change && <Button k="N" kind="main" onClick={() => (asking.value = { kind: "add" })}>{a("add_device")}</Button>}</div>
      <div class="row filters">
        <label class="row"><span>{a("ward")}</span><select value={ward.value} onChange={(e) => (ward.value = e.currentTarget.value)}><option value="">{a("every_ward")}</option>{at.map((c) => <option key={c} value={c}>{wardName(c)}</option>)}</select></label>
        <label class="row"><span>{a("kind")}</span><select value={kind.value} onChange={(e) => (kind.value = e.currentTarget.value)}><option value="">{a("every_kind")}</option>{kinds.map((k) => <option key={k} value={k}>{kindName(k)}</option>)}</select></label>
        <label class="row"><input type="checkbox" checked={gone.value} onChange={(e) => (gone.value = e.currentTarget.checked)} /><span>{a("show_revoked", { n: devices.value.value.filter((d) => d.revoked).length })}</span></label>
      </div>
      <AgeOf of={devices as never} />
      <p class="dim small">{a("devices_note")}</p>
      {list.length > most && <p role="status">{a("first_of", { n: most, all: list.length })}</p>}
      <Table label={a("devices")} of={list.slice(0, most)} id={(d) => d.id} none={a("no_devices")} dim={(d) => d.revoked}
        columns={[
          { head: a("device"), name: true, cell: (d) => <span class="mono">{d.id}</span> },
          { head: a("kind"), cell: (d) => kindName(d.kind) || <Dash /> },
          { head: a("ward"), cell: (d) => (d.ward ? wardName(d.ward) : a("whole_city")) },
          { head: a("state"), cell: (d) => (d.revoked ? a("revoked") : a("active")) },
          ...(change ? [{ head: a("do"), cell: (d: Device) => (
            <div class="row">
              <Button onClick={() => (asking.value = { kind: "add", of: d })}>{a("new_secret")}</Button>
              {!d.revoked && <Button kind="danger" onClick={() => (asking.value = { kind: "revoke", of: d })}>{a("revoke")}</Button>}
            </div>) }] : []),
        ]} />
      <Questions />
    </section>
  );
}

interface Made { id: string; ward?: string; kind?: string; password: string }

function Questions(): JSX.Element | null {
  const [made, setMade] = useState<Made | null>(null);
  const q = asking.value;
  const close = (): void => { asking.value = null; };
  if (made) {
    return (
      <Once title={a("secret_of", { device: made.id })} text={a("secret_text")} qr={JSON.stringify({ id: made.id, password: made.password, ward: made.ward ?? "" })} onClose={() => setMade(null)}
        lines={[{ label: a("device"), value: made.id }, { label: a("secret"), value: made.password }]} />
    );
  }
  if (!q) return null;
  if (q.kind === "revoke") {
    return <Sure title={a("revoke_what", { name: q.of.id })} text={a("revoke_device_text")} name={q.of.id} submit={a("revoke")} onClose={close}
      send={async () => { await del(`/api/v1/devices/${encodeURIComponent(q.of.id)}`); close(); await devices.read(); }} />;
  }
  const old = q.of;
  return (
    <FormDialog title={old ? a("new_secret_of", { device: old.id }) : a("add_device")} submit={a("make_secret")} onClose={close}
      send={async (f) => {
        const id = String(f.get("id")).trim();
        const code = String(f.get("ward")).trim();
        const x = await put<Made>(`/api/v1/devices/${encodeURIComponent(id)}`, { ...(code ? { ward: code } : {}), kind: f.get("kind") });
        close();
        await devices.read();
        setMade(x);
      }}>
      {old && <p>{a("new_secret_text")}</p>}
      <Field label={a("device")} hint={a("device_hint")}><input name="id" required maxLength={64} pattern="[A-Za-z0-9_.\-]+" autocomplete="off" spellcheck={false} defaultValue={old?.id ?? ""} readOnly={!!old} autofocus={!old} /></Field>
      <Field label={a("kind")}><select name="kind">{kinds.map((k) => <option key={k} value={k} selected={k === (old?.kind ?? "kiosk")}>{kindName(k)}</option>)}</select></Field>
      <WardField optional value={old?.ward ?? ""} />
    </FormDialog>
  );
}
