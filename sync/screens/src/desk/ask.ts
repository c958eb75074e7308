// Which question stands open; one at a time.
import { signal } from "@preact/signals";

export type Question =
  | "report" | "verify" | "dispatch" | "arrive" | "park" | "merge" | "resolve" | "close" | "note" | "message" | "contact" | "forward" | "classify" | "handover" | "reopen" | "help" | "review" | "shift";

export const question = signal<Question | null>(null);
export const ask = (q: Question): void => {
  question.value = q;
};
export const answered = (): void => {
  question.value = null;
};
