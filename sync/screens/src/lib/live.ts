// What a tab knows of the live stream, and how it joins it.
import { computed, signal } from "@preact/signals";
import { now, heardTime } from "./clock";
import { Feed, type Beat, type FeedState, type LiveIncident, type Message } from "./feed";

/** The node's state of the stream as last heard. */
export const feedState = signal<FeedState>("connecting");
/** The last heartbeat; null before the first. */
export const beat = signal<Beat | null>(null);
/** By this browser's clock, milliseconds. */
export const heardAt = signal(0);

/** Nothing was heard for two heartbeats: all that the screen shows is old. */
const stale = 11_000;

/** live: what is shown is the node's state now. Everything else must look old. */
export const stream = computed<"live" | "connecting" | "silent" | "out">(() => {
  void now.value; // once a second
  if (feedState.value === "out") return "out";
  const age = Date.now() - heardAt.value;
  if (feedState.value === "live" && age < stale) return "live";
  return beat.value && age >= stale ? "silent" : "connecting";
});

export interface Listener {
  incidents(list: readonly LiveIncident[]): void;
  /** Read every list anew. */
  reset(): void;
}

let restartFeed: ((forget: boolean) => void) | null = null;

/** Joins the stream; one call per page. */
export function join(l: Listener): void {
  if (restartFeed) {
    restartFeed(true);
    return;
  }
  const take = (m: Message): void => {
    if (m.kind === "incidents") l.incidents(m.data);
    else if (m.kind === "reset") l.reset();
    else {
      feedState.value = m.state;
      if (m.beat) {
        if (m.beat.at !== beat.value?.at) heardTime(m.beat.at);
        beat.value = m.beat;
        heardAt.value = m.heardAt;
      }
    }
  };
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker(new URL("./feed.worker.ts", import.meta.url), { type: "module", name: "wardline" });
    worker.port.onmessage = (e: MessageEvent<Message>) => take(e.data);
    addEventListener("pagehide", () => worker.port.postMessage({ kind: "bye" }));
    restartFeed = (forget) => worker.port.postMessage({ kind: "restart", forget });
  } else {
    const feed = new Feed(take);
    restartFeed = (forget) => feed.restart(forget);
  }
  addEventListener("online", () => restartFeed?.(false));
}

/** After another officer logged in: their stream, from now on. */
export const rejoin = (): void => restartFeed?.(true);
