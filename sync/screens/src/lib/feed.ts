// The live stream of this origin, kept by whoever runs it: the shared worker,
// or a tab where there are none. It resumes where it broke off, starts anew when
// it hears nothing (a laptop that slept keeps a dead connection for minutes), and
// always says how it stands.
import type { ID, Line, Row } from "./api";

/** connecting: no connection yet, or lost; live: heartbeats come; out: nobody is logged in. */
export type FeedState = "connecting" | "live" | "out";

export interface LiveIncident { incident: ID; row: Row }
export interface Beat { at: string; index: number; line: Line }

export type Message =
  /** Each incident once, as it is now. */
  | { kind: "incidents"; data: LiveIncident[] }
  /** Positions are void: read every list again. */
  | { kind: "reset" }
  | { kind: "state"; state: FeedState; beat: Beat | null; heardAt: number };

/** The server's heartbeat is 5 s; after this long without a sound the connection is dead. */
const silence = 12_000;
const pauses = [500, 1000, 2000, 4000];
/** How often changes are told at most, milliseconds: 500 a second come as ten lists, a single one comes at once. */
const pace = 100;

export class Feed {
  private source: EventSource | null = null;
  private last = ""; // where to resume
  private state: FeedState = "connecting";
  private beat: Beat | null = null;
  private heardAt = 0;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly watch: ReturnType<typeof setInterval>;
  private readonly gathered = new Map<ID, LiveIncident>();
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private toldAt = -Infinity;

  constructor(private readonly tell: (m: Message) => void) {
    this.watch = setInterval(() => {
      if (this.source && Date.now() - this.heardAt > silence) this.lost();
    }, 1000);
    this.open();
  }

  /** What a newcomer must know first. */
  present(): Message {
    return { kind: "state", state: this.state, beat: this.beat, heardAt: this.heardAt };
  }

  /** Another officer logged in, or the network is back: connect now. */
  restart(forget: boolean): void {
    if (forget) this.last = "";
    this.failures = 0;
    if (this.state === "out") this.state = "connecting"; // whoever asks has logged in
    this.open();
  }

  /** Whether nobody was logged in when it was asked last. */
  get out(): boolean {
    return this.state === "out";
  }

  close(): void {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    clearTimeout(this.gathering);
    this.source?.close();
    this.source = null;
  }

  private gather(e: LiveIncident): void {
    this.gathered.set(e.incident, e);
    const wait = this.toldAt + pace - performance.now();
    if (wait <= 0) this.tellGathered();
    else this.gathering ??= setTimeout(() => this.tellGathered(), wait);
  }

  private tellGathered(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    if (!this.gathered.size) return;
    this.toldAt = performance.now();
    this.tell({ kind: "incidents", data: [...this.gathered.values()] });
    this.gathered.clear();
  }

  private say(state: FeedState): void {
    this.state = state;
    this.tell(this.present());
  }

  private open(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.heardAt = Date.now();
    const fresh = this.last === "";
    const s = new EventSource("/api/v1/live" + (fresh ? "" : `?after=${this.last}`));
    this.source = s;
    const heard = (e: MessageEvent<string>) => {
      this.heardAt = Date.now();
      if (e.lastEventId) this.last = e.lastEventId;
    };
    s.addEventListener("heartbeat", (e) => {
      heard(e);
      this.beat = JSON.parse(e.data) as Beat;
      this.failures = 0;
      const began = this.state !== "live";
      this.state = "live";
      // Without a position to resume at, what happened meanwhile is unknown: lists are read anew.
      if (began && fresh) this.tell({ kind: "reset" });
      this.tell(this.present());
    });
    s.addEventListener("incident", (e) => {
      heard(e);
      this.gather(JSON.parse(e.data) as LiveIncident);
    });
    s.addEventListener("reset", (e) => {
      heard(e);
      this.tell({ kind: "reset" });
    });
    s.onerror = () => this.lost();
  }

  private lost(): void {
    this.source?.close();
    this.source = null;
    if (this.state !== "out") this.say("connecting");
    const pause = pauses[Math.min(this.failures++, pauses.length - 1)]!;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.again(), pause * (0.75 + Math.random() / 2));
  }

  /** A stream does not say why it failed; the session does. */
  private async again(): Promise<void> {
    try {
      const r = await fetch("/api/v1/me", { signal: AbortSignal.timeout(5000) });
      if (r.status === 401) {
        this.say("out");
        this.lost(); // somebody may log in at another tab
        return;
      }
    } catch {
      this.lost();
      return;
    }
    this.open();
  }
}
