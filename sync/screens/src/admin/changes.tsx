// Who changed how the city works, and when: read from the city's log, newest first.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get } from "../lib/api";
import { dated } from "../lib/clock";
import { Button } from "../lib/ui";
import { w } from "../lib/words";
import type { Role } from "../lib/api";
import { unitLabel, units, useLists, wardName, wards, type Change } from "./data";
import { said, Table } from "./parts";
import { a, type Key } from "./words";

const list = signal<Change[]>([]);
const nextPage = signal<number | null>(null);
const wrong = signal("");
const busy = signal(false);

async function read(before: number | null): Promise<void> {
  busy.value = true;
  try {
    const p = await get<{ items: Change[]; next: number | null }>(`/api/v1/changes?limit=50${before === null ? "" : `&before=${before}`}`);
    list.value = before === null ? p.items : [...list.value, ...p.items];
    nextPage.value = p.next;
    wrong.value = "";
  } catch (e) {
    wrong.value = said(e);
  } finally {
    busy.value = false;
  }
}

/** What was done, in words. */
function what(c: Change): string {
  const d = c.detail ?? {};
  switch (c.kind) {
    case "account":
      return a("did_account", { user: c.subject, role: d["role"] ? w(d["role"] as Role) : "", unit: unitLabel(d["unit"] ?? "") }) + (d["state"] === "disabled" ? ` – ${a("disabled")}` : "");
    case "device":
      return a(c.step === "revoke" ? "did_device_revoke" : "did_device", { device: c.subject, ward: d["ward"] ? wardName(d["ward"]) : a("whole_city"), kind: d["kind"] ? a(`kind_${d["kind"]}` as Key) : "" });
    case "machine":
      return a(`did_${c.step}` as Key, { name: c.subject, n: d["generation"] ?? "" });
    case "rules":
      return a("did_rules", { n: c.subject, from: d["from"] ? dated(d["from"]) : "" });
    case "exercise":
      return a(c.step === "end" ? "did_exercise_end" : "did_exercise", { name: c.subject });
    case "activate":
      return a("did_wards", { n: c.subject });
  }
  return `${c.kind} ${c.subject}`;
}

export function Changes(): JSX.Element {
  useLists(units, wards);
  useEffect(() => void read(null), []);
  return (
    <section class="panel" aria-labelledby="h-changes">
      <div class="head"><h2 id="h-changes">{a("changes")}</h2><Button disabled={busy.value} onClick={() => void read(null)}>{a("read_again")}</Button></div>
      <p class="dim">{a("changes_text")}</p>
      {wrong.value && <p class="error" role="alert">{a("not_read", { why: wrong.value })}</p>}
      <Table label={a("changes")} of={list.value} id={(c) => String(c.index)} none={busy.value ? a("reading") : a("no_changes")}
        columns={[
          { head: a("when"), name: true, cell: (c) => <span class="nowrap">{dated(c.at)}</span> },
          { head: a("who"), cell: (c) => c.by },
          { head: a("what"), wide: true, cell: (c) => <>{what(c)}{c.reason && <><br /><span class="dim">{a("because", { why: c.reason })}</span></>}</> },
          { head: a("entry"), cell: (c) => <span class="mono" title={c.id}>{c.index}</span> },
        ]} />
      {nextPage.value !== null && <Button disabled={busy.value} onClick={() => void read(nextPage.value)}>{a("older")}</Button>}
    </section>
  );
}
