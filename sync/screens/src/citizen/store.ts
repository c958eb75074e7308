// What this phone keeps: reports until the city has them and as a memory after
// that, photos with their hashes, and the credential of this install. It is used
// by the page and by its service worker.
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Category, ID, Medium, NewReport, Stamp, Status } from "../lib/api";

/** One report as this phone knows it. */
export interface Kept {
  id: ID;
  category: Category;
  /** As it goes out, without sent_at, which is put in at each sending. */
  body: NewReport;
  /** By this phone's clock, milliseconds; for people and for the order of sending only. */
  made: number;
  /** A node answered for it. */
  sent?: boolean;
  ward?: boolean;
  city?: boolean;
  seen?: boolean;
  status?: Status;
  /** When a node was last heard about it, by this phone's clock. */
  asked?: number;
  /** Refused for good: the field and why. */
  refused?: { field?: string; detail: string };
  /** What the reporter wrote to the desk, until a node has it. */
  writes?: { id: ID; text: string; reopen: boolean; made: number; refused?: string }[];
  /** Both sides' messages as a node told them last. */
  messages?: { id: ID; from: "reporter" | "desk"; at: Stamp; text?: string }[];
  tries: number;
  /** Not before, by this phone's clock; a clock that jumped is no reason to wait longer than `patience`. */
  next: number;
}

export interface Photo extends Medium { blob: Blob; report: ID }
/** The name and secret that this install got at its registration. */
export interface Install { id: string; password: string }

interface Schema extends DBSchema {
  reports: { key: ID; value: Kept };
  photos: { key: string; value: Photo; indexes: { report: ID } };
  meta: { key: string; value: Install | string };
}

/** Where nothing can be kept (a private window, a full or broken disk): only as long as the page stays open. */
const loose = { on: false, reports: new Map<ID, Kept>(), photos: new Map<string, Photo>(), meta: new Map<string, Install | string>() };
/** Whether what is kept here survives the page. */
export const durable = (): boolean => !loose.on;

let db: Promise<IDBPDatabase<Schema>> | undefined;
const open = (): Promise<IDBPDatabase<Schema>> =>
  (db ??= openDB<Schema>("wardline-citizen", 1, {
    upgrade(d) {
      d.createObjectStore("reports", { keyPath: "id" });
      d.createObjectStore("photos", { keyPath: "sha256" }).createIndex("report", "report");
      d.createObjectStore("meta");
    },
    terminated() {
      db = undefined;
    },
  }).catch((e: unknown) => {
    db = undefined;
    throw e;
  }));

/** Does f on the disk, or g in memory once the disk has failed. */
async function either<T>(f: (d: IDBPDatabase<Schema>) => Promise<T>, g: () => T): Promise<T> {
  if (!loose.on) {
    try {
      return await f(await open());
    } catch {
      loose.on = true;
    }
  }
  return g();
}

/** Every report, the newest first. */
export async function reports(): Promise<Kept[]> {
  const all = await either((d) => d.getAll("reports"), () => []);
  return [...all, ...loose.reports.values()].sort((a, b) => b.made - a.made);
}

/** Keeps a new report and its photos; resolved when they are on disk, or in memory when the disk takes nothing. */
export async function keep(k: Kept, photos: readonly Photo[]): Promise<void> {
  const write = async (d: IDBPDatabase<Schema>, with_: readonly Photo[]): Promise<void> => {
    const tx = d.transaction(["reports", "photos"], "readwrite", { durability: "strict" });
    await Promise.all([tx.objectStore("reports").put(k), ...with_.map((p) => tx.objectStore("photos").put(p)), tx.done]);
  };
  await either(
    (d) => write(d, photos).catch(() => write(d, [])), // no room for the photos: the report matters more
    () => void loose.reports.set(k.id, k),
  );
  if (loose.on) for (const p of photos) loose.photos.set(p.sha256, p);
}

/** Changes one report from what it is now, so that two tabs do not undo each other's news. */
export async function change(id: ID, f: (k: Kept) => void): Promise<void> {
  const here = loose.reports.get(id);
  if (here) {
    f(here);
    return;
  }
  await either(async (d) => {
    const tx = d.transaction("reports", "readwrite", { durability: "strict" });
    const k = await tx.store.get(id);
    if (k) {
      f(k);
      await tx.store.put(k);
    }
    await tx.done;
  }, () => undefined);
}

export const photosOf = (id: ID): Promise<Photo[]> =>
  either((d) => d.getAllFromIndex("photos", "report", id), () => [...loose.photos.values()].filter((p) => p.report === id));

export async function install(): Promise<Install | undefined> {
  const v = await either((d) => d.get("meta", "install"), () => loose.meta.get("install"));
  return typeof v === "object" ? v : undefined;
}
export const setInstall = (v: Install | undefined): Promise<void> =>
  either(
    async (d) => void (await (v ? d.put("meta", v, "install") : d.delete("meta", "install"))),
    () => void (v ? loose.meta.set("install", v) : loose.meta.delete("install")),
  );

/** The ward of the poster that this page was opened from. */
export async function ward(): Promise<string | undefined> {
  const v = await either((d) => d.get("meta", "ward"), () => loose.meta.get("ward"));
  return typeof v === "string" ? v : undefined;
}
export const setWard = (code: string): Promise<void> =>
  either(async (d) => void (await d.put("meta", code, "ward")), () => void loose.meta.set("ward", code));

/** How many ended reports a phone remembers. */
const memory = 50;

/** Forgets the oldest ended reports beyond `memory`, with their photos. */
export async function forget(): Promise<void> {
  const ended = (await reports()).filter((k) => k.status === "closed").slice(memory);
  if (ended.length === 0) return;
  await either(async (d) => {
    const tx = d.transaction(["reports", "photos"], "readwrite");
    for (const k of ended) {
      await tx.objectStore("reports").delete(k.id);
      for (const key of await tx.objectStore("photos").index("report").getAllKeys(k.id)) await tx.objectStore("photos").delete(key);
    }
    await tx.done;
  }, () => undefined);
}
