// What all browser tests share: Debian's Chromium, polling instead of sleeping, the check for
// barriers (axe, WCAG 2.2 AA); and, for those that deploy/city starts, the city that stands and an officer's call.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** city.json of the city to try, as `wardline city` writes it; of the tests that start one themselves (city.ts) none. */
export const city = process.env.CITY_JSON ? JSON.parse(readFileSync(process.env.CITY_JSON, "utf8")) : undefined;

/**
 * --no-sandbox: tests may run as root; they open our own pages alone. Sound needs a gesture, as in an officer's browser.
 * @param {string[]} more
 */
export async function open(...more) {
  const how = { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--autoplay-policy=user-gesture-required", ...more] };
  for (let tries = 3; ; tries--) {
    try {
      return await chromium.launch(how);
    } catch (e) { // now and then it crashes before it has begun (SIGSEGV), which says nothing of our pages
      if (tries === 1) throw e;
    }
  }
}

/** A call of an officer with this role at the command centre; the answer as JSON. */
export async function officer(role) {
  const o = city.officers.find((x) => x.role === role);
  const r = await fetch(city.command.url + "/api/v1/session", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: o.user, password: o.password }),
  });
  if (!r.ok) throw new Error(`log-in as ${role}: ${r.status}`);
  const cookie = r.headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  return async (path, body) => {
    const a = await fetch(city.command.url + path, body === undefined ? { headers: { Cookie: cookie } }
      : { method: "POST", headers: { Cookie: cookie, "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!a.ok) throw new Error(`${path}: ${a.status}`);
    return a.json();
  };
}

/**
 * Asks until f gives something true; the last error or value stands in the failure.
 * @template T
 * @param {string} what
 * @param {() => Promise<T | false | undefined | null> | T | false | undefined | null} f
 * @returns {Promise<T>}
 */
export async function until(what, f, patience = 60_000) {
  const end = Date.now() + patience;
  for (let last; ; ) {
    try {
      const v = await f();
      if (v) return v;
      last = v;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${patience} ms; last: ${last}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Every entry of kind report in the city's log, as its auditor reads it. */
export async function reportsInCity(audit) {
  const all = [];
  for (let after = ""; ; ) {
    const p = await audit(`/api/v1/entries?limit=1000${after === "" ? "" : `&after=${after}`}`);
    all.push(...p.items.filter((e) => e.kind === "report").map((e) => e.report));
    if (p.next === null) return all;
    after = p.next;
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * What axe finds against WCAG 2.0 to 2.2, levels A and AA; of an open dialog, within it alone: what lies behind is inert.
 * The script comes by the debugger: the pages allow none inline.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>}
 */
export async function violations(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const found = await globalThis.axe.run(document.querySelector("dialog[open]") ?? document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 5).map((n) => `${n.target} ${n.html.slice(0, 200)} ${n.failureSummary.slice(0, 300)}`).join("; ")}`);
  });
}

/** Fails when axe finds a barrier. */
export async function barriers(page, where) {
  const found = await violations(page);
  if (found.length) throw new Error(`${where}: ${found.join("\n")}`);
}
