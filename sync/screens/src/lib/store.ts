// The incidents that this screen knows: one list, filled once and then changed by
// the stream. Of two states of an incident the one with the greater index stands,
// so a list read meanwhile never puts an old row over a new one.
import { batch, signal } from "@preact/signals";
import { all, type ID, type Row } from "./api";
import { join, type Listener } from "./live";
import type { LiveIncident } from "./feed";

/** How often a list that is being filled is shown, in milliseconds. The stream keeps its own pace. */
const pace = 100;

export class Incidents implements Listener {
  private readonly rows = new Map<ID, Row>();
  /** Grows with every shown change; read it to follow `list`. */
  readonly version = signal(0);
  /** When every list was read completely last, milliseconds; 0: not yet. */
  readonly filledAt = signal(0);
  /** Told of every change of an incident, also of those outside the list. */
  readonly changed = new Set<(id: ID) => void>();
  private pending = new Map<ID, Row>();
  private touched = new Set<ID>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private filling = false;
  private again = false;

  /** path: the list to fill from, for example /api/v1/incidents?status=open&limit=1000. keep: which rows stay. order: how they are listed, 0 for two states of one row that stand alike. */
  constructor(
    private readonly path: string,
    private readonly keep: (r: Row) => boolean = () => true,
    private readonly order?: (a: Row, b: Row) => number,
  ) {}

  start(): void {
    join(this);
    this.reset();
  }

  private listed: Row[] = [];
  private listedAt = -1;

  /** All rows; one array per version, not to be changed. */
  list(): readonly Row[] {
    const v = this.version.value;
    if (this.listedAt !== v) {
      this.listed = this.relisted();
      this.listedAt = v;
    }
    return this.listed;
  }

  /** The rows in the order of the last time, then those that are new: thousands are sorted only when one has moved, and then find next to nothing to do. */
  private relisted(): Row[] {
    const next: Row[] = [];
    let moved = false;
    for (const old of this.listed) {
      const r = this.rows.get(old.id);
      if (!r) continue;
      moved ||= r !== old && this.order !== undefined && this.order(old, r) !== 0;
      next.push(r);
    }
    if (next.length < this.rows.size) {
      const had = new Set(next.map((r) => r.id));
      for (const [id, r] of this.rows) if (!had.has(id)) next.push(r);
      moved = true;
    }
    return moved && this.order ? next.sort(this.order) : next;
  }

  get(id: ID): Row | undefined {
    void this.version.value;
    return this.rows.get(id);
  }

  incidents(list: readonly LiveIncident[]): void {
    for (const e of list) {
      this.touched.add(e.incident);
      this.put(e.row);
    }
    this.flush();
  }

  /** These rows, if they still stand, wait for the city no more. */
  delivered(rows: Iterable<Row>): void {
    let some = false;
    for (const r of rows) {
      if (this.rows.get(r.id) !== r || !r.brief?.pending) continue;
      const { pending: _, ...brief } = r.brief;
      this.rows.set(r.id, { ...r, brief });
      some = true;
    }
    if (some) this.version.value++;
  }

  reset(): void {
    if (this.filling) {
      this.again = true;
      return;
    }
    void this.fill();
  }

  private async fill(): Promise<void> {
    this.filling = true;
    do {
      this.again = false;
      const seen = new Set<ID>();
      const known = new Map([...this.rows].map(([id, r]) => [id, r.index]));
      try {
        await all<Row>(this.path, (items) => {
          for (const r of items) {
            seen.add(r.id);
            this.put(r);
          }
          this.schedule();
        });
        this.flush();
        // What the list no longer names has left it, unless it changed meanwhile.
        for (const [id, index] of known) if (!seen.has(id) && this.rows.get(id)?.index === index) this.rows.delete(id);
        batch(() => {
          this.version.value++;
          this.filledAt.value = Date.now();
        });
      } catch {
        await new Promise((done) => setTimeout(done, 2000)); // not answered; the stream says so meanwhile
        this.again = true;
      }
    } while (this.again);
    this.filling = false;
  }

  private put(r: Row): void {
    const have = this.pending.get(r.id) ?? this.rows.get(r.id);
    if (!have || r.index >= have.index) this.pending.set(r.id, r);
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => this.flush(), pace);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [id, r] of this.pending) {
      if (this.keep(r)) this.rows.set(id, r);
      else this.rows.delete(id);
    }
    this.pending.clear();
    const touched = this.touched;
    this.touched = new Set();
    this.version.value++;
    for (const id of touched) for (const f of this.changed) f(id);
  }
}
