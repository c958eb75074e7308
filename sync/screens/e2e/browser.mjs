// What the browser tests share: Debian's Chromium, a city that stands, an officer's
// call, polling instead of sleeping, and the check for barriers (axe, WCAG 2.2 AA).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** city.json of the city to try, as `wardline city` writes it. */
export const city = JSON.parse(readFileSync(process.env.CITY_JSON, "utf8"));

export const open = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

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

/** Asks until f gives something true, at most for a minute. */
export async function until(what, f) {
  const end = Date.now() + 60_000;
  for (let last; ; ) {
    try {
      const v = await f();
      if (v) return v;
      last = v;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) throw new Error(`${what}: still ${last} after a minute`);
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

/** Fails when axe finds a barrier. The script comes by the debugger: the pages allow none inline. */
export async function barriers(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  if (violations.length) throw new Error(`${where}: ${violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")}`).join("\n")}`);
}
