// Who works at this screen.
import { signal } from "@preact/signals";
import { del, get, post, Problem, type Officer } from "./api";

/** undefined: not asked yet; null: nobody is logged in. */
export const me = signal<Officer | null | undefined>(undefined);
/** The node does not answer; whoever was logged in still is. */
export const unreachable = signal(false);

/** Asks until the node answers. */
export async function recall(): Promise<void> {
  for (;;) {
    try {
      me.value = await get<Officer>("/api/v1/me");
      unreachable.value = false;
      return;
    } catch (e) {
      if (e instanceof Problem && e.status === 401) {
        unreachable.value = false;
        me.value = null;
        return;
      }
      unreachable.value = true;
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

export async function logIn(user: string, password: string): Promise<void> {
  me.value = await post<Officer>("/api/v1/session", { user, password });
  localStorage.removeItem(atProvider);
}

export async function logOut(): Promise<void> {
  await del("/api/v1/session");
  me.value = null;
  const provider = localStorage.getItem(atProvider);
  localStorage.removeItem(atProvider);
  if (provider?.startsWith("http")) location.assign(provider); // or the next one here would be in by one press
}

/** Under this name stands where to log out of the provider, while somebody is in by it. */
const atProvider = "provider";
export const goesToProvider = (logout: string): void => localStorage.setItem(atProvider, logout);
