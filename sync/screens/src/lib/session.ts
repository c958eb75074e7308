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
}

export async function logOut(): Promise<void> {
  await del("/api/v1/session");
  me.value = null;
}
