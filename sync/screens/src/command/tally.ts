// Statistics as the server counts them, the times that an officer chooses, and the sheet. Nothing here asks the server.
export type Step = "claim" | "verify" | "dispatch" | "resolve";
export const steps: readonly Step[] = ["claim", "verify", "dispatch", "resolve"];

export interface StepTally { step: Step; done: number; due: number; late: number; median_s: number | null; p90_s: number | null }
export interface TallyLine { key: string; count: number; open: number; verdicts: number; false: number; steps: StepTally[] }
export interface Statistics { from: string; to: string; cut: boolean; earliest?: string; total: TallyLine; by_lead: TallyLine[]; by_category: TallyLine[]; by_hour: TallyLine[] }

/** Days are the city's, "2026-12-01"; to is the last day, within. */
export interface Period { kind: "today" | "7" | "30" | "span"; from: string; to: string }

const day = 86_400_000;
const zone = 7 * 3_600_000; // the city's time, without summer time

/** The city's day of a time. */
export const dayOf = (at: number): string => new Date(at + zone).toISOString().slice(0, 10);
const startOf = (d: string): number => Date.parse(`${d}T00:00:00+07:00`);

/** From when to when; null when the days are none, the wrong way round or more than a year. */
export function bounds(p: Period, at: number): { from: string; to: string } | null {
  const today = startOf(dayOf(at));
  const [from, to] = p.kind === "span" ? [startOf(p.from), startOf(p.to) + day] : [today - (p.kind === "today" ? 0 : Number(p.kind) - 1) * day, today + day];
  if (!(from < to) || to - from > 366 * day) return null;
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

/** How a sheet names what it holds. */
export interface Names {
  lead: (k: string) => string; category: (k: string) => string; hour: (k: string) => string; step: (s: Step) => string;
  words: (k: "sheet_title" | "from" | "to" | "sheet_units" | "group" | "key" | "count" | "still_open" | "verdicts" | "false_n" | "all" | "by_ward" | "by_category" | "by_hour" | "done" | "with_deadline" | "late_n" | "median_s" | "p90_s") => string;
}

/** The rows of the file: what it is, its time, then one table with a head that says every column. */
export function sheet(s: Statistics, n: Names): (string | number)[][] {
  const local = (t: string): string => new Date(Date.parse(t) + zone).toISOString().slice(0, 16).replace("T", " ");
  const line = (group: string, key: string, l: TallyLine): (string | number)[] => [group, key, l.count, l.open, l.verdicts, l.false,
    ...steps.flatMap((x) => {
      const v = l.steps.find((y) => y.step === x)!;
      return [v.done, v.due, v.late, v.median_s ?? "", v.p90_s ?? ""];
    })];
  return [
    [n.words("sheet_title")], [n.words("from"), local(s.earliest ?? s.from)], [n.words("to"), local(s.to)], [n.words("sheet_units")], [],
    [n.words("group"), n.words("key"), n.words("count"), n.words("still_open"), n.words("verdicts"), n.words("false_n"),
      ...steps.flatMap((x) => (["done", "with_deadline", "late_n", "median_s", "p90_s"] as const).map((k) => `${n.step(x)}: ${n.words(k)}`))],
    line(n.words("all"), "", s.total),
    ...s.by_lead.map((l) => line(n.words("by_ward"), n.lead(l.key), l)),
    ...s.by_category.map((l) => line(n.words("by_category"), n.category(l.key), l)),
    ...s.by_hour.map((l) => line(n.words("by_hour"), n.hour(l.key), l)),
  ];
}
