// The wards and their boundaries: a file says what it would change before it does.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { upload } from "../lib/api";
import { plain } from "../desk/order";
import { useKeys } from "../lib/keys";
import { Button } from "../lib/ui";
import { mayChange, stations, useLists, wards, type Preview, type WardRef } from "./data";
import { AgeOf, FormDialog, said, Table } from "./parts";
import { a, type Key } from "./words";

interface Waiting { file: File; keep: boolean; preview: Preview }
const waiting = signal<Waiting | null>(null);
const done = signal("");
const find = signal("");

export function Wards(): JSX.Element {
  useLists(wards, stations);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const change = mayChange();
  const pick = (): void => input.current?.click();
  useKeys({ N: () => change && pick(), "/": () => document.getElementById("find")?.focus() }, waiting.value === null);
  const look = async (file: File, keep: boolean): Promise<void> => {
    setBusy(true);
    setWrong("");
    done.value = "";
    try {
      waiting.value = { file, keep, preview: await upload<Preview>(`/api/v1/wards/preview?keep=${keep}`, file) };
    } catch (e) {
      waiting.value = null;
      setWrong(said(e));
    } finally {
      setBusy(false);
    }
  };
  const list = wards.value.value;
  const want = plain(find.value.trim());
  const shown = list.filter((x) => plain(`${x.code} ${x.name}`).includes(want));
  const served = new Set(stations.value.value.map((s) => s.ward));
  return (
    <section class="panel" aria-labelledby="h-wards">
      <div class="head"><h2 id="h-wards">{a("wards")}</h2>{change && <Button k="N" kind="main" disabled={busy} onClick={pick}>{busy ? a("reading") : a("import_wards")}</Button>}</div>
      {change && <input ref={input} type="file" class="visually-hidden" tabIndex={-1} aria-label={a("import_wards")} accept=".geojson,.json,.gz,application/geo+json,application/json"
        onChange={(e) => { const f = e.currentTarget.files?.[0]; e.currentTarget.value = ""; if (f) void look(f, true); }} />}
      <AgeOf of={wards as never} />
      {wrong && <p class="error" role="alert">{a("file_wrong")} {wrong}</p>}
      {done.value && <p role="status">{done.value}</p>}
      <p>{a("wards_n", { n: list.length, drawn: list.filter((x) => x.drawn).length })}</p>
      <label class="row filters"><span>{a("find")} <kbd aria-hidden="true">/</kbd></span><input id="find" type="search" value={find.value} onInput={(e) => (find.value = e.currentTarget.value)} /></label>
      <Table label={a("wards")} of={shown} id={(x) => x.code} none={list.length ? a("no_ward_found") : a("reading")}
        columns={[{ head: a("code"), name: true, cell: (x) => <span class="mono">{x.code}</span> }, { head: a("ward"), cell: (x) => x.name }, { head: a("boundary"), cell: (x) => (x.drawn ? a("drawn") : a("centre_only")) },
          { head: a("station"), cell: (x) => (served.has(x.code) ? a("has_station") : a("no_station")) }]} />
      {waiting.value && <Ask of={waiting.value} busy={busy} again={(keep) => { waiting.value = { ...waiting.value!, keep }; void look(waiting.value!.file, keep); }} />}
    </section>
  );
}

const groups = ["drawn", "redrawn", "renamed", "new", "lost"] as const;

function Names(p: { of: WardRef[] }): JSX.Element {
  const most = 12;
  return <>{p.of.slice(0, most).map((x) => `${x.name} (${x.code})`).join(", ")}{p.of.length > most ? ` … +${p.of.length - most}` : ""}</>;
}

function Ask(p: { of: Waiting; busy: boolean; again: (keep: boolean) => void }): JSX.Element {
  const { file, keep, preview } = p.of;
  const close = (): void => { waiting.value = null; };
  const changes = groups.some((g) => preview[g].length > 0);
  return (
    <FormDialog title={a("import_what", { file: file.name })} submit={a("import_now")} wide danger={preview.lost.length > 0} ready={changes && !p.busy} onClose={close}
      send={async () => {
        await upload(`/api/v1/wards?keep=${keep}`, file);
        close();
        done.value = a("imported", { n: preview.read.Wards });
        await wards.read();
      }}>
      <p>{a("read_n", { n: preview.read.Wards, features: preview.read.Features, points: preview.read.Points })}{preview.read.Skipped > 0 ? ` ${a("skipped_n", { n: preview.read.Skipped })}` : ""}</p>
      {preview.read.Notes?.length ? <ul class="facts-list">{preview.read.Notes.map((n) => <li key={n}>{n}</li>)}</ul> : null}
      <dl class="facts" data-testid="preview">
        {groups.filter((g) => preview[g].length > 0).map((g) => <><dt class={g === "lost" ? "loud" : ""}>{a(`preview_${g}` as Key, { n: preview[g].length })}</dt><dd><Names of={preview[g]} /></dd></>)}
        <dt>{a("preview_same")}</dt><dd>{preview.same}</dd>
      </dl>
      {!changes && <p role="status">{a("nothing_changes")}</p>}
      <label class="check"><input type="checkbox" checked={keep} onChange={(e) => p.again(e.currentTarget.checked)} /><span>{a("keep_others")}<br /><small class="dim">{a("keep_hint")}</small></span></label>
      <p class="dim">{a("import_text")}</p>
    </FormDialog>
  );
}

