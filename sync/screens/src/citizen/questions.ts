// What each kind of report is asked, as Help 114 asks at a fire and SOS An ninh
// trật tự at the rest. Answers become plain lines of the report's text, in
// Vietnamese whatever the page's language is: an officer reads them.
import type { Category } from "../lib/api";
import type { t } from "./words";

type Word = Parameters<typeof t>[0];
export interface Question { key: Word; kind: "choice" | "short"; /** How the officer reads it. */ said: string; after?: Word }

const floor: Question = { key: "floor", kind: "short", said: "Tầng, phòng" };
const trapped: Question = { key: "trapped", kind: "choice", said: "Mắc kẹt" };
const trappedN: Question = { key: "trapped_n", kind: "short", said: "Số người mắc kẹt", after: "trapped" };
const injured: Question = { key: "injured", kind: "choice", said: "Bị thương" };

export const questions: Record<Category, Question[]> = {
  fire: [floor, trapped, trappedN, { key: "smoke", kind: "choice", said: "Nhiều khói" }],
  emergency: [floor, trapped, trappedN, injured],
  medical: [floor, { key: "breathing", kind: "choice", said: "Tỉnh táo" }],
  crime: [{ key: "happening", kind: "choice", said: "Đang diễn ra" }, injured, { key: "weapon", kind: "choice", said: "Hung khí" }],
  security: [{ key: "happening", kind: "choice", said: "Đang diễn ra" }],
  traffic_accident: [injured, { key: "blocked", kind: "choice", said: "Tắc đường" }],
  feedback: [],
  panic: [],
};

export type Answers = Partial<Record<Word, string>>;
const said: Record<string, string> = { yes: "có", no: "không", unknown: "không rõ" };

/** The officer's lines: "Mắc kẹt: có". */
export function lines(category: Category, a: Answers): string[] {
  return questions[category].flatMap((q) => {
    const v = a[q.key]?.trim();
    if (!v || (q.after && a[q.after] !== "yes")) return [];
    return [`${q.said}: ${q.kind === "choice" ? said[v] ?? v : v}`];
  });
}
