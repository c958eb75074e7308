// Every screen in both languages and both themes as a picture that is kept. A change
// that nobody meant is seen; one that was meant is made with `make golden` and looked at.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import pixelmatch from "pixelmatch";
import type { Browser, Page } from "playwright-core";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Officer } from "../src/lib/api";
import { barriers, open as launch } from "./browser.mjs";
import { FakeNode, moment, ward } from "./fake";

const kept = resolve(import.meta.dirname, "golden");
const rewrite = process.env["GOLDEN"] === "write";
/** How different one point may be (0 to 1), and what share of a picture: fonts are drawn a little differently by another Chromium. */
const threshold = 0.2, share = 0.006;

const command: Officer = { user: "hoa", role: "command_officer", unit: "command" };
const administrator: Officer = { user: "administrator", role: "administrator", unit: "command" };
const officer: Officer = { user: "lan", role: "ward_officer", unit: `ward/${ward}` };

interface Shot { name: string; path: string; as: Officer | null; width: number; height: number; scale: number; ready: (p: Page) => Promise<unknown> }
const seen = (p: Page, what: string): Promise<unknown> => p.locator(what).first().waitFor();
const press = async (p: Page, key: string, what: string): Promise<void> => {
  await p.keyboard.press(key);
  await seen(p, what);
};
const desk = async (p: Page): Promise<void> => {
  await seen(p, "[data-testid=stream].live");
  await seen(p, "dialog[open]");
  await p.keyboard.press("Escape");
  await p.locator("dialog[open]").waitFor({ state: "detached" });
  await seen(p, ".line.P1");
};
const city = async (p: Page): Promise<void> => {
  await seen(p, "[data-testid=stream].live");
  await seen(p, ".line.P1");
};
const part = (name: string): ((p: Page) => Promise<void>) => async (p) => {
  await seen(p, `nav.parts a[href="#${name}"][aria-current=page]`);
  await seen(p, "main td, main .empty");
  // Each part of the administration in each look: without a barrier.
  await barriers(p, name);
};
const half = { width: 1920, height: 1080, scale: 0.5 };
const phone = { width: 390, height: 844, scale: 1 };
const shots: Shot[] = [
  { name: "login", path: "/desk/", as: null, ...half, ready: (p) => seen(p, ".login form") },
  { name: "desk", path: "/desk/", as: officer, ...half, ready: desk },
  { name: "incident", path: "/desk/", as: officer, ...half, ready: async (p) => { await desk(p); await press(p, "j", ".source"); } },
  { name: "report", path: "/desk/", as: officer, ...half, ready: async (p) => { await desk(p); await press(p, "n", "dialog[open]"); } },
  { name: "command", path: "/command/", as: command, ...half, ready: city },
  { name: "warning", path: "/command/", as: command, ...half, ready: async (p) => { await city(p); await p.locator(".panes .btn").last().click(); await seen(p, "[data-testid=warning]"); await p.locator("[data-testid=warnings] .btn.main").click(); await seen(p, ".areamap canvas"); } },
  { name: "wall", path: "/command/#wall", as: command, ...half, ready: async (p) => { await seen(p, ".wall .line"); await seen(p, "[data-testid=stream].live"); } },
  ...["stations", "officers", "devices", "wards", "rules", "changes"].map((x): Shot => ({ name: `admin-${x}`, path: `/admin/#${x}`, as: administrator, ...half, ready: part(x) })),
  { name: "admin-sessions", path: "/admin/#officers", as: administrator, ...half, ready: async (p) => { await part("officers")(p); await p.getByRole("row", { name: /^lan/ }).getByRole("button").nth(2).click(); await seen(p, "[data-testid=sessions] li"); await barriers(p, "sessions"); } },
  { name: "citizen", path: `/citizen/?ward=${ward}`, as: null, ...phone, ready: (p) => seen(p, "[data-testid=warnings]") },
  { name: "citizen-form", path: `/citizen/?ward=${ward}#form/fire`, as: null, ...phone, ready: (p) => seen(p, "form, .page textarea") },
  { name: "citizen-kiosk", path: `/citizen/?ward=${ward}`, as: null, width: 1080, height: 1920, scale: 0.5, ready: (p) => seen(p, "[data-testid=warnings]") },
];

let browser: Browser, node: FakeNode;
beforeAll(async () => {
  browser = await launch();
  node = await FakeNode.start();
  mkdirSync(kept, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await node?.stop();
});

async function shoot(s: Shot, lang: string, theme: string): Promise<Buffer> {
  node.officer = s.as;
  const c = await browser.newContext({ viewport: { width: s.width, height: s.height }, deviceScaleFactor: s.scale, timezoneId: "Asia/Ho_Chi_Minh", locale: "vi-VN", reducedMotion: "reduce", serviceWorkers: "block" });
  try {
    c.setDefaultTimeout(90_000);
    await c.addInitScript(([t, l]) => {
      localStorage.setItem("theme", t!);
      localStorage.setItem("lang", l!);
    }, [theme, lang]);
    const p = await c.newPage();
    await p.clock.setFixedTime(moment);
    await p.goto(node.url + s.path);
    await s.ready(p);
    await p.evaluate(() => document.fonts.ready);
    // The same picture twice: nothing is on its way any more.
    let last = await p.screenshot({ animations: "disabled" });
    for (let i = 0; i < 40; i++) {
      await p.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const next = await p.screenshot({ animations: "disabled" });
      if (next.equals(last)) return next;
      last = next;
    }
    return last;
  } finally {
    await c.close();
  }
}

describe("every screen looks as it is kept", () => {
  for (const s of shots)
    for (const lang of ["vi", "en"])
      for (const theme of ["dark", "light"]) {
        const name = `${s.name}-${lang}-${theme}`;
        test(name, async () => {
          const file = join(kept, `${name}.png`);
          const now = await shoot(s, lang, theme);
          if (rewrite) return writeFileSync(file, now);
          expect(existsSync(file), `${name}.png is not kept; run make golden, look at it, and commit it`).toBe(true);
          const [a, b] = [PNG.sync.read(readFileSync(file)), PNG.sync.read(now)];
          expect([b.width, b.height]).toEqual([a.width, a.height]);
          const diff = new PNG({ width: a.width, height: a.height });
          const wrong = pixelmatch(a.data, b.data, diff.data, a.width, a.height, { threshold });
          if (wrong > share * a.width * a.height) {
            const out = join(process.env["GOLDEN_OUT"] ?? "/tmp", `golden-${name}`);
            writeFileSync(`${out}.png`, now);
            writeFileSync(`${out}-diff.png`, PNG.sync.write(diff));
            expect.fail(`${name}: ${wrong} points differ (${((100 * wrong) / (a.width * a.height)).toFixed(2)} %, at most ${100 * share} %); see ${out}.png and ${out}-diff.png. If it is meant: make golden`);
          }
        }, 180_000);
      }
});
