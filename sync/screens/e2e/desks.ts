// Desks that are logged in, and what an officer does at them.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { until } from "./browser.mjs";

export interface Look { width?: number; height?: number; theme?: "dark" | "light"; lang?: "vi" | "en" }

export async function context(b: Browser, look: Look = {}): Promise<BrowserContext> {
  const c = await b.newContext({ viewport: { width: look.width ?? 1920, height: look.height ?? 1080 }, timezoneId: "Asia/Ho_Chi_Minh" });
  c.setDefaultTimeout(Number(process.env["PATIENCE"] ?? 30_000)); // longer on a machine with much else to do
  await c.addInitScript(([theme, lang]) => {
    localStorage.setItem("theme", theme!);
    localStorage.setItem("lang", lang!);
  }, [look.theme ?? "dark", look.lang ?? "vi"]);
  return c;
}

/** A page on which nothing may go wrong unseen: faults of scripts and of the policy end in `faults`. */
export async function open(c: BrowserContext, url: string, faults: string[]): Promise<Page> {
  const p = await c.newPage();
  p.on("pageerror", (e) => faults.push(String(e)));
  p.on("console", (m) => {
    if (m.type() === "error" && !/Failed to load resource|net::ERR/.test(m.text())) faults.push(m.text());
  });
  await p.goto(url);
  return p;
}

export async function logIn(p: Page, o: { user: string; password: string }): Promise<void> {
  await p.fill("input[name=user]", o.user);
  await p.fill("input[name=password]", o.password);
  await p.keyboard.press("Enter");
}

/** A desk at work: logged in, the test of the bell left. */
export async function desk(b: Browser, base: string, o: { user: string; password: string }, faults: string[], look: Look = {}): Promise<Page> {
  const p = await open(await context(b, look), `${base}/desk/`, faults);
  await logIn(p, o);
  await p.waitForSelector("dialog[open]");
  await p.keyboard.press("Escape");
  await p.waitForSelector("dialog[open]", { state: "detached" });
  await p.waitForSelector("[data-testid=stream].live");
  return p;
}

/** The row of an incident in the queue. */
export const line = (p: Page, id: string) => p.locator(`.line[data-id="${id}"]`);
/** Lets it in and chooses it. */
export async function pick(p: Page, id: string): Promise<void> {
  await until("the row " + id, async () => {
    if (await line(p, id).count()) return true;
    if (await p.getByTestId("waiting").count()) await p.keyboard.press("u");
    return false;
  });
  await line(p, id).locator("button").click();
  await p.waitForSelector(`[data-testid=case] h2:has-text("${id.slice(0, 8)}")`);
}
/** The question behind a key. */
export async function ask(p: Page, key: string): Promise<void> {
  await p.keyboard.press(key);
  await p.waitForSelector("dialog[open]");
}
export const text = (p: Page, testid: string) => p.getByTestId(testid).innerText();
export const shows = (p: Page, testid: string, what: string | RegExp) => until(`${testid} shows ${what}`, async () => {
  const t = await text(p, testid);
  return typeof what === "string" ? t.includes(what) : what.test(t);
});
