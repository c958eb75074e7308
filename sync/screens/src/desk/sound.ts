// Four patterns by priority, made here: a sound file could be missing. They repeat
// until somebody of this unit has claimed, and get stronger past the deadline.
import { signal } from "@preact/signals";
import type { Priority } from "../lib/api";

/** Whether this browser can sound now. False until somebody pressed something. */
export const audible = signal(false);

interface Tone { at: number; hz: number; for: number }
/** Seconds, hertz. Two notes that rise and fall for P1, fewer and lower for each step down. */
export const patterns: Record<Priority, { every: number; tones: Tone[] }> = {
  P1: { every: 2.5, tones: [0, 0.22, 0.44, 0.66].map((at, i) => ({ at, hz: i % 2 ? 988 : 1319, for: 0.2 })) },
  P2: { every: 5, tones: [0, 0.3, 0.6].map((at) => ({ at, hz: 880, for: 0.22 })) },
  P3: { every: 15, tones: [0, 0.35].map((at) => ({ at, hz: 659, for: 0.28 })) },
  P4: { every: 60, tones: [{ at: 0, hz: 440, for: 0.35 }] },
};

let context: AudioContext | null = null;
const heed = (): void => {
  audible.value = context?.state === "running";
};

/** Called from a press: browsers allow sound only then. */
export async function wake(): Promise<boolean> {
  context ??= new AudioContext();
  context.onstatechange = heed;
  await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 4000))]);
  heed();
  return audible.value;
}

/** Plays one pattern once; strength from 0 to 1. Returns its length, seconds. */
export function play(p: Priority, strength = 0.5): number {
  const c = context;
  if (!c || c.state !== "running") return 0;
  let end = 0;
  for (const t of patterns[p].tones) {
    const o = c.createOscillator();
    const g = c.createGain();
    const at = c.currentTime + 0.02 + t.at;
    o.type = strength > 0.7 ? "square" : "triangle";
    o.frequency.value = t.hz;
    g.gain.setValueAtTime(0, at);
    g.gain.linearRampToValueAtTime(strength * 0.6, at + 0.02);
    g.gain.setValueAtTime(strength * 0.6, at + t.for - 0.04);
    g.gain.linearRampToValueAtTime(0, at + t.for);
    o.connect(g).connect(c.destination);
    o.start(at);
    o.stop(at + t.for + 0.01);
    end = Math.max(end, t.at + t.for);
  }
  return end;
}

export interface Ringing { priority: Priority; overdue: boolean }

/** What sounded last and when; a test and the help read it. */
export const rung = signal<{ priority: Priority; at: number; strength: number } | null>(null);

/** Rings what `what` names, until it names nothing. One per page. */
export class Bell {
  private last = -Infinity;
  private priority: Priority | null = null;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly what: () => Ringing | null) {
    this.timer = setInterval(() => this.tick(), 250);
  }

  private tick(): void {
    heed();
    const r = this.what();
    if (!r) {
      this.priority = null;
      return;
    }
    const now = performance.now() / 1000;
    // A more urgent one does not wait for the turn of the lesser.
    if (r.priority === this.priority && now - this.last < patterns[r.priority].every * (r.overdue ? 0.6 : 1)) return;
    const strength = r.overdue ? 1 : 0.5;
    this.last = now;
    this.priority = r.priority;
    if (play(r.priority, strength) > 0) rung.value = { priority: r.priority, at: Date.now(), strength };
  }

  close(): void {
    clearInterval(this.timer);
  }
}
