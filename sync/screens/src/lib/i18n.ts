// Two languages, Vietnamese first. A screen's words stand in one dictionary
// beside it; `words` makes a missing or a surplus key a type error, so that the
// build fails and nobody meets an empty label.
import { signal } from "@preact/signals";

export type Lang = "vi" | "en";

const stored = (): Lang => {
  try {
    return localStorage.getItem("lang") === "en" ? "en" : "vi";
  } catch {
    return "vi"; // storage is closed to us (private window); the default stands
  }
};

/** The language of this browser; reading it in a component follows it. */
export const lang = signal<Lang>(stored());

export function setLang(l: Lang): void {
  lang.value = l;
  document.documentElement.lang = l;
  try {
    localStorage.setItem("lang", l);
  } catch {
    /* lasts as long as the page */
  }
}

export type Params = Record<string, string | number>;
export type Translate<K extends string> = (key: K, params?: Params) => string;

/** Makes a dictionary; `{name}` in a text is replaced by the parameter. */
export function words<const V extends Record<string, string>>(vi: V, en: Record<keyof V, string>): Translate<keyof V & string> {
  return (key, params) => {
    const text: string = (lang.value === "en" ? en : vi)[key];
    return params ? text.replace(/\{(\w+)\}/g, (all, name: string) => String(params[name] ?? all)) : text;
  };
}
