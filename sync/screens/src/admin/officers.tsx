// Officers' accounts: every change names who did it and why, in the city's log.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { patch, post, type Role } from "../lib/api";
import { dated } from "../lib/clock";
import { plain } from "../desk/order";
import { useKeys } from "../lib/keys";
import { me } from "../lib/session";
import { Button, Field } from "../lib/ui";
import { w } from "../lib/words";
import { accounts, mayChange, unitLabel, units, useLists, wards, type Account } from "./data";
import { AgeOf, FormDialog, Once, Reason, Table } from "./parts";
import { SessionsDialog } from "./sessions";
import { WardField } from "./stations";
import { a } from "./words";

const roles: readonly Role[] = ["ward_officer", "department_officer", "command_officer", "supervisor", "administrator", "auditor"];
type Asking = { kind: "add" } | { kind: "change" | "reset" | "disable" | "sessions"; of: Account } | null;
const asking = signal<Asking>(null);
const search = signal("");
const gone = signal(false);

export function Officers(): JSX.Element {
  useLists(accounts, units, wards);
  const change = mayChange();
  useKeys({ N: () => change && (asking.value = { kind: "add" }), "/": () => document.getElementById("find")?.focus() }, asking.value === null);
  const want = plain(search.value);
  const list = accounts.value.value.filter((x) => (gone.value || !x.disabled) && plain(`${x.user} ${x.unit} ${unitLabel(x.unit)} ${w(x.role)}`).includes(want));
  const count = accounts.value.value.filter((x) => x.disabled).length;
  return (
    <section class="panel" aria-labelledby="h-officers">
      <div class="head"><h2 id="h-officers">{a("officers")}</h2>{change && <Button k="N" kind="main" onClick={() => (asking.value = { kind: "add" })}>{a("add_officer")}</Button>}</div>
      <div class="row filters">
        <label class="row"><span>{a("find")} <kbd aria-hidden="true">/</kbd></span><input id="find" type="search" value={search.value} onInput={(e) => (search.value = e.currentTarget.value)} /></label>
        <label class="row"><input type="checkbox" checked={gone.value} onChange={(e) => (gone.value = e.currentTarget.checked)} /><span>{a("show_disabled", { n: count })}</span></label>
      </div>
      <AgeOf of={accounts as never} />
      <Table label={a("officers")} of={list} id={(x) => x.user} none={a("none_found")} dim={(x) => x.disabled}
        columns={[
          { head: w("user"), name: true, cell: (x) => x.user },
          { head: a("role"), cell: (x) => w(x.role) },
          { head: a("unit"), cell: (x) => unitLabel(x.unit) },
          { head: a("state"), cell: (x) => (x.disabled ? a("disabled") : x.must_change ? a("must_change") : a("active")) },
          { head: a("changed"), wide: true, cell: (x) => <><span class="nowrap">{dated(x.at)}</span> · {x.by || a("built_in")}<br /><span class="dim">{x.reason}</span></> },
          { head: change ? a("do") : a("sessions"), cell: (x: Account) => (change ? <Actions of={x} /> : <Button title={a("sessions_of", { user: x.user })} onClick={() => { asking.value = { kind: "sessions", of: x }; }}>{a("show")}</Button>) },
        ]} />
      <Questions />
    </section>
  );
}

function Actions(p: { of: Account }): JSX.Element {
  const x = p.of;
  const go = (kind: "change" | "reset" | "disable" | "sessions") => () => { asking.value = { kind, of: x }; };
  return (
    <div class="row">
      <Button onClick={go("reset")}>{x.disabled ? a("enable") : a("reset_password")}</Button>
      {!x.disabled && <><Button onClick={go("change")}>{a("change")}</Button><Button onClick={go("sessions")}>{a("sessions")}</Button>
        {x.user !== me.value?.user && <Button kind="danger" onClick={go("disable")}>{a("disable")}</Button>}</>}
    </div>
  );
}

/** Role and unit, which must fit each other: a ward's officer belongs to a ward. */
function Place(p: { role?: Role; unit?: string }): JSX.Element {
  const [role, setRole] = useState<Role>(p.role ?? "ward_officer");
  const [kind, setKind] = useState(p.unit?.startsWith("ward/") ? "ward" : p.unit && p.unit !== "command" ? "department" : "command");
  const of = role === "ward_officer" ? "ward" : role === "department_officer" ? "department" : role === "supervisor" ? kind : "command";
  const departments = units.value.value.filter((u) => !u.id.startsWith("ward/") && u.id !== "command");
  return (
    <>
      <Field label={a("role")}><select name="role" value={role} onChange={(e) => setRole(e.currentTarget.value as Role)}>{roles.map((r) => <option key={r} value={r}>{w(r)}</option>)}</select></Field>
      {role === "supervisor" && <Field label={a("of")}><select value={kind} onChange={(e) => setKind(e.currentTarget.value)}><option value="command">{a("of_command")}</option><option value="ward">{a("of_ward")}</option><option value="department">{a("of_department")}</option></select></Field>}
      {of === "ward" && <WardField value={p.unit?.startsWith("ward/") ? p.unit.slice(5) : ""} />}
      {of === "department" && <Field label={a("department")} hint={a("department_hint")}><input name="department" list="departments" required pattern="[A-Z0-9]{2,16}" autocomplete="off" defaultValue={p.unit && of === "department" && !p.unit.startsWith("ward/") && p.unit !== "command" ? p.unit : ""} /><datalist id="departments">{departments.map((d) => <option key={d.id} value={d.id} label={d.name} />)}</datalist></Field>}
      {of === "command" && <input type="hidden" name="command" value="command" />}
    </>
  );
}

const unitOf = (f: FormData): string => (f.has("ward") ? `ward/${String(f.get("ward")).trim()}` : f.has("department") ? String(f.get("department")).trim() : "command");

function Questions(): JSX.Element | null {
  const [made, setMade] = useState<Account | null>(null);
  const q = asking.value;
  const close = (): void => { asking.value = null; };
  const done = async (): Promise<void> => { close(); await accounts.read(); };
  if (made) {
    return (
      <Once title={a("password_of", { user: made.user })} text={made.must_change ? a("password_text") : a("password_keep_text")} onClose={() => setMade(null)}
        lines={[{ label: w("user"), value: made.user }, { label: w("password"), value: made.password ?? "" }]} />
    );
  }
  if (!q) return null;
  const show = async (x: Account): Promise<void> => { await done(); setMade(x); };
  if (q.kind === "add") {
    return (
      <FormDialog title={a("add_officer")} submit={a("make_account")} onClose={close}
        send={async (f) => show(await post<Account>("/api/v1/users", { user: String(f.get("user")).trim().toLowerCase(), role: f.get("role"), unit: unitOf(f), must_change: f.has("must_change"), reason: String(f.get("reason")) }))}>
        <Field label={w("user")} hint={a("user_hint")}><input name="user" required minLength={2} maxLength={64} pattern="[a-zA-Z0-9._@\-]+" autocomplete="off" spellcheck={false} autofocus /></Field>
        <Place />
        <MustChange />
        <Reason />
      </FormDialog>
    );
  }
  const x = q.of;
  const path = `/api/v1/users/${encodeURIComponent(x.user)}`;
  switch (q.kind) {
    case "change":
      return (
        <FormDialog title={a("change_of", { user: x.user })} submit={w("save")} onClose={close} send={async (f) => { await patch(path, { role: f.get("role"), unit: unitOf(f), reason: String(f.get("reason")) }); await done(); }}>
          <Place role={x.role} unit={x.unit} /><Reason />
        </FormDialog>
      );
    case "reset":
      return (
        <FormDialog title={a("reset_of", { user: x.user })} submit={a("make_password")} onClose={close} send={async (f) => show(await post<Account>(`${path}/password`, { must_change: f.has("must_change"), reason: String(f.get("reason")) }))}>
          <p>{a("reset_text")}</p><MustChange /><Reason />
        </FormDialog>
      );
    case "sessions":
      return <SessionsDialog user={x.user} onClose={close} />;
    case "disable":
      return (
        <FormDialog title={a("disable_of", { user: x.user })} submit={a("disable")} danger onClose={close} send={async (f) => { await patch(path, { disabled: true, reason: String(f.get("reason")) }); await done(); }}>
          <p>{a("disable_text")}</p><Reason />
        </FormDialog>
      );
  }
}

function MustChange(): JSX.Element {
  return <label class="check"><input type="checkbox" name="must_change" defaultChecked /><span>{a("must_change_at_first")}<br /><small class="dim">{a("must_change_hint")}</small></span></label>;
}


