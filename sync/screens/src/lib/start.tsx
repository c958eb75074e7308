// Puts a screen on the page.
import { render, type ComponentType } from "preact";
import { lang } from "./i18n";
import { recall } from "./session";
import { setTheme, theme } from "./theme";

/** Mounts Screen. withSession: first ask who is logged in (`me` is undefined until then). */
export function start(Screen: ComponentType, withSession = true): void {
  document.documentElement.lang = lang.value;
  setTheme(theme.value);
  if (withSession) void recall();
  render(<Screen />, document.getElementById("app")!);
}
