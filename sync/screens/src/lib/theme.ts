// Dark is for night shifts, light for day and print; the choice is this browser's.
import { signal } from "@preact/signals";

export type Theme = "dark" | "light";

const stored = (): Theme => {
  try {
    return localStorage.getItem("theme") === "light" ? "light" : "dark";
  } catch {
    return "dark";
  }
};

export const theme = signal<Theme>(stored());

export function setTheme(t: Theme): void {
  document.documentElement.dataset["theme"] = t; // first: whoever follows the signal reads colours
  theme.value = t;
  try {
    localStorage.setItem("theme", t);
  } catch {
    /* lasts as long as the page */
  }
}
