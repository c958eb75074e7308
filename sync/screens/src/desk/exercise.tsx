// An exercise at a desk: the banner with joining and leaving, its making and its end.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, uuid } from "../lib/api";
import { dated, nodeNow } from "../lib/clock";
import { e, join, joined, readExercises, running, type Exercise } from "../lib/exercises";
import { beat } from "../lib/live";
import { me } from "../lib/session";
import { Button, Dialog, Field } from "../lib/ui";
import { w } from "../lib/words";
import { explain } from "./state";

/** Exercises are made and ended at the city, by those who direct. */
const directs = (): boolean => beat.value?.line.state === "local" && (me.value?.role === "command_officer" || me.value?.role === "supervisor");

export const asked = signal(false);
const said = signal("");

async function end(x: Exercise): Promise<void> {
  try {
    const r = await post<{ closed: number }>(`/api/v1/exercises/${x.id}/end`, {});
    said.value = e("ended", { n: r.closed });
    join(x.id, false);
  } catch (err) {
    said.value = explain(err);
  }
  await readExercises().catch(() => undefined);
}

/** The key that ends: the exercise that this desk has joined. */
export function endKey(): void {
  const x = running.value.find((y) => joined.value.has(y.id));
  if (x && directs()) void end(x);
}

export function ExerciseBanner(): JSX.Element | null {
  const list = running.value;
  if (!list.length && !said.value) return null;
  return (
    <>
      {list.map((x, n) => (
        <div key={x.id} class="banner exercise" role="status" data-testid="exercise">
          <b>{e("runs", { name: x.name, until: dated(x.until) })}</b> <span>{joined.value.has(x.id) ? e("joined") : e("not_joined")}</span>
          <Button pressed={joined.value.has(x.id)} onClick={() => join(x.id, !joined.value.has(x.id))}>{joined.value.has(x.id) ? e("leave") : e("join")}</Button>
          {directs() && <Button {...(n === 0 && joined.value.has(x.id) ? { k: "9" } : {})} kind="danger" onClick={() => void end(x)}>{e("end")}</Button>}
        </div>
      ))}
      {said.value && !list.length && <div class="banner" role="status"><span>{said.value}</span><Button kind="quiet" onClick={() => (said.value = "")}>{w("close")}</Button></div>}
    </>
  );
}

/** The button that makes one; only where that can be done. */
export const ExerciseButton = (): JSX.Element | null => (directs() ? <Button onClick={() => (asked.value = true)}>{e("exercises")}</Button> : null);

export function ExerciseDialog(): JSX.Element | null {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  if (!asked.value) return null;
  const close = (): void => {
    asked.value = false;
    setWrong("");
  };
  const submit = async (ev: Event): Promise<void> => {
    ev.preventDefault();
    const f = new FormData(ev.target as HTMLFormElement);
    setBusy(true);
    try {
      const id = uuid();
      await post("/api/v1/exercises", { id, name: String(f.get("name")).trim(), until: new Date(nodeNow() + 3_600_000 * Number(f.get("hours"))).toISOString(), wards: String(f.get("wards")).split(/[\s,]+/).filter(Boolean) });
      said.value = "";
      join(id, true);
      await readExercises();
      close();
    } catch (err) {
      setWrong(explain(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={e("exercises")} onClose={close}>
      {running.value.length === 0 && <p>{e("none")}</p>}
      {running.value.map((x) => (
        <p key={x.id}><b>{x.name}</b> <span class="dim">{e("from_until", { from: dated(x.from), until: dated(x.until) })} · {x.wards.length ? x.wards.join(", ") : e("whole_city")} · {x.by}</span><br />
          <small>{e("link")}: <a href={`/citizen/?exercise=${x.id}`}>/citizen/?exercise={x.id}</a></small></p>
      ))}
      <h3>{e("make")}</h3>
      <form class="choices" onSubmit={(ev) => void submit(ev)}>
        <Field label={e("name")} hint={e("name_hint")}><input name="name" required maxLength={80} autocomplete="off" autofocus /></Field>
        <Field label={e("hours")}><select name="hours">{[1, 2, 4, 8, 24, 72].map((n) => <option key={n} value={n} selected={n === 2}>{e("hours_n", { n })}</option>)}</select></Field>
        <Field label={e("wards")} hint={e("wards_hint")}><input name="wards" autocomplete="off" pattern="[0-9, ]*" /></Field>
        {wrong && <p class="error" role="alert">{wrong}</p>}
        <div class="row end"><Button onClick={close}>{w("cancel")}</Button><button class="btn main" disabled={busy}><span>{e("make_now")}</span></button></div>
      </form>
    </Dialog>
  );
}
