// What an officer does with the account itself: see and end its sessions, choose a password.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { del, get, post, Problem, type Stamp } from "./api";
import { dated, span, nodeNow } from "./clock";
import { words } from "./i18n";
import { logIn, logOut, me } from "./session";
import { Button, Dialog, Field, Toggles } from "./ui";
import { w } from "./words";

const t = words(
  {
    account: "Tài khoản của tôi", sessions: "Phiên đăng nhập", this_one: "Phiên này", no_sessions: "Không có phiên nào đang mở ở đây.", end_this: "Kết thúc phiên từ {from}", end: "Kết thúc", end_all: "Kết thúc tất cả phiên",
    end_all_hint: "Mọi máy đang dùng tài khoản này, kể cả máy này, phải đăng nhập lại.", used: "dùng cách đây {age}", began: "bắt đầu {at}",
    at_city: "Các phiên mở tại thành phố. Kết thúc tất cả thì phiên tại các phường cũng hết.", at_station: "Các phiên mở tại trạm phường này.",
    ends: "Không dùng {idle} phút thì phiên tự hết; lâu nhất {life} giờ. Màn hình đang mở luôn được tính là đang dùng.",
    change: "Đổi mật khẩu", old: "Mật khẩu hiện tại", next: "Mật khẩu mới", again: "Nhập lại mật khẩu mới", differ: "Hai lần nhập không giống nhau.",
    hint: "Ít nhất 12 ký tự; nên ghép vài từ chỉ mình bạn nghĩ ra.", weak: "Mật khẩu này chưa đạt: cần ít nhất 12 ký tự khác với tên tài khoản, không lặp lại vài ký tự, và khác mật khẩu cũ.",
    wrong: "Mật khẩu hiện tại không đúng.", not_here: "Tài khoản này chỉ đổi mật khẩu được tại thành phố.", meanwhile: "Tài khoản vừa được sửa ở nơi khác; hãy đăng nhập lại.",
    must: "Mật khẩu này do người khác đặt. Hãy chọn mật khẩu của riêng bạn để tiếp tục.",
    unknown_program: "chương trình khác",
  },
  {
    account: "My account", sessions: "Sessions", this_one: "This session", no_sessions: "No session is open here.", end_this: "End the session from {from}", end: "End", end_all: "End all sessions",
    end_all_hint: "Everyone who uses this account, here too, has to log in again.", used: "used {age} ago", began: "began {at}",
    at_city: "Sessions that began at the city. Ending all also ends those at the wards.", at_station: "Sessions that began at this ward's station.",
    ends: "A session ends after {idle} minutes without use, and after {life} hours in any case. An open screen counts as use.",
    change: "Change password", old: "Present password", next: "New password", again: "New password again", differ: "The two are not the same.",
    hint: "At least 12 characters; best some words that only you put together.", weak: "This password will not do: at least 12 characters besides the account's name, not a few repeated ones, and not the old one.",
    wrong: "The present password is wrong.", not_here: "This account's password is changed at the city.", meanwhile: "The account was changed elsewhere just now; log in again.",
    must: "Somebody else set this password. Choose one of your own to go on.",
    unknown_program: "another program",
  },
);

export interface SessionRow { id: string; began: Stamp; seen: Stamp; from?: string; with?: string; this?: boolean }
export interface Sessions { items: SessionRow[]; idle_s: number; life_s: number; listed: "city" | "station" }

/** The dialog stands open. */
export const accountOpen = signal(false);

const why = (e: unknown): string => {
  if (!(e instanceof Problem)) return w("no_answer");
  if (e.type === "weak-password") return t("weak");
  if (e.type === "not-here") return t("not_here");
  if (e.type === "changed") return t("meanwhile");
  return e.status === 403 ? t("wrong") : w("no_answer");
};

/** Chooses a password and logs in with it, because it ends the session. */
function PasswordForm(p: { onDone: () => void }): JSX.Element {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const f = new FormData(e.target as HTMLFormElement);
    const next = String(f.get("next"));
    if (next !== f.get("again")) return setWrong(t("differ"));
    setBusy(true);
    try {
      await post("/api/v1/me/password", { old: String(f.get("old")), new: next });
      await logIn(me.value!.user, next);
      p.onDone();
    } catch (err) {
      setWrong(why(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(e) => void submit(e)} data-testid="password">
      <input type="text" name="user" autocomplete="username" value={me.value?.user ?? ""} hidden readOnly />
      <Field label={t("old")}><input name="old" type="password" autocomplete="current-password" required /></Field>
      <Field label={t("next")} hint={t("hint")}><input name="next" type="password" autocomplete="new-password" minLength={12} required /></Field>
      <Field label={t("again")} error={wrong || undefined}><input name="again" type="password" autocomplete="new-password" required /></Field>
      <button class="btn main" disabled={busy}><span>{t("change")}</span></button>
    </form>
  );
}

/** For an officer whose password somebody else set: nothing else goes before this. */
export function MustChange(): JSX.Element {
  return (
    <main class="login">
      <h1>{t("change")}</h1>
      <p>{t("must")}</p>
      <PasswordForm onDone={() => undefined} />
      <p class="row"><Toggles /><Button kind="quiet" onClick={() => void logOut()}>{w("log_out")}</Button></p>
    </main>
  );
}

/** The account's name; it opens what can be done with it. */
export function AccountButton(): JSX.Element {
  const o = me.value!;
  return <span class="who"><Button kind="quiet" title={t("account")} onClick={() => (accountOpen.value = true)}>{o.user} <span class="dim">{w(o.role)}</span></Button></span>;
}

/** The sessions of an account: where from, with what, since when, used when; onEnd ends one, without it they are only read. */
export function SessionList(p: { of: Sessions; onEnd?: (id: string) => void }): JSX.Element {
  const { of: list } = p;
  return (
    <>
      <p class="dim">{t(list.listed === "city" ? "at_city" : "at_station")} {t("ends", { idle: Math.round(list.idle_s / 60), life: Math.round(list.life_s / 3600) })}</p>
      {list.items.length === 0 && <p class="empty">{t("no_sessions")}</p>}
      <ul class="sessions" data-testid="sessions">
        {list.items.map((s) => (
          <li key={s.id} class="row">
            <span class="grow"><b>{s.this ? t("this_one") : (s.from ?? "?")}</b> <span class="dim">{s.with === "program" || !s.with ? t("unknown_program") : s.with}{s.this && s.from ? ` · ${s.from}` : ""} · {t("began", { at: dated(s.began) })} · {t("used", { age: span(Math.max(0, nodeNow() - Date.parse(s.seen))) })}</span></span>
            {!s.this && p.onEnd && <Button title={t("end_this", { from: s.from ?? "?" })} onClick={() => p.onEnd!(s.id)}>{t("end")}</Button>}
          </li>
        ))}
      </ul>
    </>
  );
}

export function AccountDialog(): JSX.Element | null {
  return accountOpen.value && me.value ? <Account /> : null;
}

function Account(): JSX.Element {
  const [list, setList] = useState<Sessions | null>(null);
  const [trouble, setTrouble] = useState("");
  const [changing, setChanging] = useState(false);
  const read = async (): Promise<void> => setList(await get<Sessions>("/api/v1/me/sessions"));
  const tried = async (f: () => Promise<void>): Promise<void> => {
    try {
      await f();
      setTrouble("");
    } catch {
      setTrouble(w("no_answer"));
    }
  };
  const close = (): void => void (accountOpen.value = false);
  useEffect(() => void tried(read), []);
  return (
    <Dialog title={t("account")} onClose={close} wide>
      <p><b>{me.value!.user}</b> <span class="dim">{w(me.value!.role)} · {me.value!.unit}</span></p>
      {changing ? <PasswordForm onDone={close} /> : (
        <>
          <h3>{t("sessions")}</h3>
          {list && <SessionList of={list} onEnd={(id) => void tried(async () => { await del(`/api/v1/me/sessions/${id}`); await read(); })} />}
          {trouble && <p role="alert" class="error">{trouble}</p>}
          <p class="row"><Button kind="danger" onClick={() => void tried(async () => { await del("/api/v1/me/sessions"); close(); me.value = null; })}>{t("end_all")}</Button> <small>{t("end_all_hint")}</small></p>
        </>
      )}
      <p class="row end">
        {!changing && <Button onClick={() => setChanging(true)}>{t("change")}</Button>}
        <Button kind="quiet" onClick={close}>{w("close")}</Button>
      </p>
    </Dialog>
  );
}
