// Debian's Chromium, driven by Playwright; desks that are logged in; axe.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { until } from "./city";

export const chromiumPath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch(): Promise<Browser> {
  // --no-sandbox: tests may run as root; they open our own pages alone.
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--autoplay-policy=user-gesture-required"] });
}

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

export interface Violation { id: string; nodes: string[] }

/** What axe finds against WCAG 2.0 to 2.2, levels A and AA; of an open dialog, within it alone: what lies behind is inert, and was looked at. */
export async function violations(p: Page): Promise<Violation[]> {
  // By the debugger's interface: the page's own policy allows no foreign script.
  await p.evaluate(axe);
  return p.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const r = await (globalThis as unknown as { axe: { run: (d: Element | Document, o: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe.run(document.querySelector("dialog[open]") ?? document, { runOnly: tags });
    return r.violations.map((v) => ({ id: v.id, nodes: v.nodes.slice(0, 5).map((n) => n.html.slice(0, 200) + " — " + n.failureSummary.slice(0, 300)) }));
  });
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
