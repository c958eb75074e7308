// Public warnings (CAP 1.2) as this node knows them, and sending one.
import { signal } from "@preact/signals";
import { get, insist, post, type ID, type Stamp } from "./api";
import type { LonLat } from "./cells";

export interface Text { language: string; event: string; headline?: string; description?: string; instruction?: string }
export interface Info extends Text { categories: string[]; urgency: string; severity: string; certainty: string; response_types?: string[]; areas: { desc: string; polygons?: LonLat[][] }[] | null }
export type WarningState = "holds" | "expired" | "updated" | "cancelled" | "cancel";
export interface Warning {
  id: ID; state: WarningState; target?: ID; wards: string[]; expires: Stamp;
  alert: { sender: string; sent: Stamp; status: "Actual" | "Exercise" | "Test"; note?: string; msg_type: "Alert" | "Update" | "Cancel"; info: Info[] };
  by?: string; origin?: string; index?: number;
  reached?: { ward: string; devices: number; listening: number; at: Stamp }[];
}
export interface Draft {
  id: ID; msg_type: "Alert" | "Update" | "Cancel"; status: "Actual" | "Exercise"; target?: ID; wards: string[]; polygon?: LonLat[];
  /** A running exercise of which it is a part; status is Exercise then. */
  exercise?: ID;
  category: string; response?: string; urgency: string; severity: string; certainty: string; expires: Stamp; texts: Text[];
}

export const severities = ["Extreme", "Severe", "Moderate", "Minor", "Unknown"] as const;
export const urgencies = ["Immediate", "Expected", "Future", "Past", "Unknown"] as const;
export const certainties = ["Observed", "Likely", "Possible", "Unlikely", "Unknown"] as const;
export const capCategories = ["Met", "Fire", "Safety", "Security", "Rescue", "Health", "Env", "Transport", "Infra", "Geo", "CBRNE", "Other"] as const;
export const responses = ["Shelter", "Evacuate", "Prepare", "Avoid", "Monitor", "AllClear"] as const;

/** What is said in the language of the reader, else the first. */
export const textIn = (info: Info[], language: string): Info | undefined => info.find((x) => x.language.startsWith(language)) ?? info[0];

/** The exercise of which a warning is a part, as its note names it; empty: it is real, or of none that is named. */
export const practiceOf = (x: Pick<Warning, "alert">): string => (x.alert.status === "Exercise" ? (/^(.*) \([0-9a-f-]{36}\)$/m.exec(x.alert.note ?? "")?.[1] ?? "") : "");

/** When a node answered: its time, and when that was by this device's clock, milliseconds. */
export interface Asked { at: Stamp; here: number }

/** By how much a warning's end lies ahead; the node's clock counts, this device's only since the answer. */
export const left = (x: Pick<Warning, "expires">, h: Asked, here: number): number => Date.parse(x.expires) - Date.parse(h.at) - Math.max(0, here - h.here);

/** All that this node knows, the newest first; undefined until read. */
export const warnings = signal<readonly Warning[] | undefined>(undefined);
/** When they were read, by this browser. */
export const warningsAt = signal(0);

/** How often a desk reads them, milliseconds. */
const every = 5_000;

export async function readWarnings(): Promise<void> {
  warnings.value = (await get<{ items: Warning[] }>("/api/v1/broadcasts")).items;
  warningsAt.value = Date.now();
}

/** Reads them for as long as the screen is open. */
export function followWarnings(): () => void {
  const read = (): void => void readWarnings().catch(() => undefined); // the list's age says it
  read();
  const timer = setInterval(read, every);
  return () => clearInterval(timer);
}

/** Sends one; again with the same id until it is answered. */
export async function sendWarning(d: Draft): Promise<Warning> {
  const w = await insist(() => post<Warning>("/api/v1/alerts", d));
  await readWarnings().catch(() => undefined);
  return w;
}
