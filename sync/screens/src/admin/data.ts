// What the administration reads, and when: each list is read when it is opened, after
// every change and every half minute while it is looked at.
import { signal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, Problem, type Role, type Stamp, type Station } from "../lib/api";
import { me } from "../lib/session";

export interface Account { user: string; role: Role; unit: string; disabled: boolean; must_change: boolean; reason: string; by: string; at: Stamp; index: number; password?: string }
export interface Device { id: string; ward?: string; kind?: string; revoked: boolean }
export interface Machine { name: string; state: "waiting" | "enrolled" | "held" | "revoked"; epoch: number; since?: Stamp; names?: string[] }
export interface Machines { items: Machine[]; authority: { oldest: number; current: number; fingerprint: string }; nodes: CoreNode[] }
/** A node of the core as the one that was asked knows it; sync is where stations reach it. */
export interface CoreNode { id: string; answers: boolean; leads: boolean; sync?: string }
export interface WardRef { code: string; name: string }
export interface WardRow extends WardRef { drawn: boolean }
export interface Preview {
  read: { Wards: number; Features: number; Skipped: number; Points: number; Dropped: number; Notes: string[] | null };
  drawn: WardRef[]; redrawn: WardRef[]; renamed: WardRef[]; lost: WardRef[]; new: WardRef[]; same: number;
}
export interface Rules { version: number; from: Stamp; until: Stamp | null; categories: Record<string, { priority: string; lane: string; departments: string[]; contacts: string[]; keep_days?: number; deadlines: { step: string; within_s: number }[] }> }
export interface RulesVersion { version: number; by?: string; at?: Stamp; index?: number; in_effect: boolean; rules: Rules }
export interface Change { index: number; id: string; kind: string; by: string; unit: string; at: Stamp; subject: string; step?: string; reason?: string; detail?: Record<string, string> }

/** A list with its age; at is 0 until it was read. */
export interface List<T> { value: Signal<T>; at: Signal<number>; wrong: Signal<string>; read: () => Promise<void> }

function list<T>(empty: T, ask: () => Promise<T>): List<T> {
  const l: List<T> = {
    value: signal(empty), at: signal(0), wrong: signal(""),
    read: async () => {
      try {
        l.value.value = await ask();
        l.at.value = Date.now();
        l.wrong.value = "";
      } catch (e) {
        if (e instanceof Problem && e.status === 401) me.value = null;
        l.wrong.value = e instanceof Error ? e.message : String(e);
      }
    },
  };
  return l;
}

const items = async <T>(path: string): Promise<T[]> => (await get<{ items: T[] }>(path)).items;

/** Devices come in pages by name. */
async function allDevices(): Promise<Device[]> {
  const out: Device[] = [];
  for (let after: string | null = ""; after !== null && out.length < 200_000; ) {
    const p: { items: Device[]; next: string | null } = await get(`/api/v1/devices?after=${encodeURIComponent(after)}`);
    out.push(...p.items);
    after = p.next;
  }
  return out;
}

interface Feature { properties: { code: string; name: string }; geometry: { type: string } }

export const stations = list<Station[]>([], () => items("/api/v1/stations"));
export const machines = list<Machines>({ items: [], authority: { oldest: 0, current: 0, fingerprint: "" }, nodes: [] }, () => get("/api/v1/machines"));
export const accounts = list<Account[]>([], () => items("/api/v1/users"));
export const devices = list<Device[]>([], allDevices);
export const units = list<{ id: string; name: string }[]>([], () => items("/api/v1/units"));
export const wards = list<WardRow[]>([], async () =>
  (await get<{ features: Feature[] }>("/api/v1/wards")).features.map((f) => ({ code: f.properties.code, name: f.properties.name, drawn: f.geometry.type !== "Point" })));
export const rules = list<RulesVersion[]>([], () => items("/api/v1/rules/versions"));

/** Reads lists when they are first shown, and every half minute while they are. */
export function useLists(...of: List<never>[] | List<unknown>[]): void {
  useEffect(() => {
    const all = of as List<unknown>[];
    for (const l of all) void l.read();
    const timer = setInterval(() => all.forEach((l) => void l.read()), 30_000);
    return () => clearInterval(timer);
  }, []);
}

/** An auditor reads and changes nothing. */
export const mayChange = (): boolean => me.value?.role === "administrator";

/** What a ward is called, with its code. */
export const wardName = (code: string | undefined): string => {
  const x = wards.value.value.find((v) => v.code === code);
  return x ? `${x.name} (${x.code})` : (code ?? "");
};
export const unitLabel = (id: string): string => units.value.value.find((u) => u.id === id)?.name ?? id;
