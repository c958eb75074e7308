// Where an account is in use: each session with from where, since when and used when; one or
// all of them are ended here.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { SessionList, type Sessions } from "../lib/account";
import { del, get } from "../lib/api";
import { Button, Dialog } from "../lib/ui";
import { w } from "../lib/words";
import { mayChange } from "./data";
import { said } from "./parts";
import { a } from "./words";

/** How often the list is read anew while it is looked at, milliseconds. */
const every = 10_000;

export function SessionsDialog(p: { user: string; onClose: () => void }): JSX.Element {
  const path = `/api/v1/users/${encodeURIComponent(p.user)}/sessions`;
  const [list, setList] = useState<Sessions | null>(null);
  const [wrong, setWrong] = useState("");
  const [sure, setSure] = useState(false);
  const tried = async (f?: () => Promise<void>): Promise<void> => {
    try {
      await f?.();
      setList(await get<Sessions>(path));
      setWrong("");
    } catch (e) {
      setWrong(said(e));
    }
  };
  useEffect(() => {
    void tried();
    const timer = setInterval(() => void tried(), every);
    return () => clearInterval(timer);
  }, []);
  const change = mayChange();
  return (
    <Dialog title={a("sessions_of", { user: p.user })} onClose={p.onClose} wide>
      {list ? <SessionList of={list} {...(change ? { onEnd: (id: string) => void tried(() => del(`${path}/${id}`)) } : {})} /> : <p class="empty" role="status">…</p>}
      {sure && <p class="loud" role="alert">{a("end_text")}</p>}
      {wrong && <p class="error" role="alert">{wrong}</p>}
      <div class="row end">
        {change && (sure
          ? <><Button onClick={() => setSure(false)}>{w("cancel")}</Button><Button kind="danger" onClick={() => { setSure(false); void tried(() => del(path)); }}>{a("end_of", { user: p.user })}</Button></>
          : <Button kind="danger" onClick={() => setSure(true)}>{a("end_sessions")}</Button>)}
        <Button onClick={p.onClose}>{w("close")}</Button>
      </div>
    </Dialog>
  );
}
