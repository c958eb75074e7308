// An officer's own account in a real browser, at a ward that is cut off.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { context, launch, logIn, open, violations } from "./desks";
import { City, Session, until } from "./city";

let city: City;
let browser: Browser;
const faults: string[] = [];

beforeAll(async () => {
  [city, browser] = await Promise.all([City.start(), launch()]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await city?.stop();
  expect(faults, "faults of scripts or of the policy").toEqual([]);
});

test("a new officer of a ward that is cut off chooses a password, and sees and ends sessions", async () => {
  const admin = await new Session(city.file.command.url).logIn(city.officer("administrator"));
  const made = await admin.post<{ password: string }>("/api/v1/users", { user: "hoa.le", role: "ward_officer", unit: "ward/26704", reason: "người mới" });
  await until("the account comes to the ward", () => new Session(city.station).logIn({ user: "hoa.le", password: made.password }));
  await city.control("--cut=blackhole");
  const p = await open(await context(browser), `${city.station}/desk/`, faults);
  await logIn(p, { user: "hoa.le", password: made.password });
  await p.waitForSelector("[data-testid=password]");
  const found = await violations(p);
  await p.fill("input[name=old]", made.password);
  await p.fill("input[name=next]", "bốn con mèo ngồi");
  await p.fill("input[name=again]", "bốn con mèo đứng");
  await p.keyboard.press("Enter");
  await p.waitForSelector("text=Hai lần nhập không giống nhau.");
  await p.fill("input[name=again]", "bốn con mèo ngồi");
  await p.keyboard.press("Enter");
  await p.waitForSelector("dialog[open]"); // the test of the bell: she is in
  await p.keyboard.press("Escape");
  await p.waitForSelector("dialog[open]", { state: "detached" });
  const other = await new Session(city.station).logIn({ user: "hoa.le", password: "bốn con mèo ngồi" });
  await other.get("/api/v1/me");
  await p.click(".who button");
  await until("both sessions are listed", async () => (await p.locator("[data-testid=sessions] li").count()) === 2);
  found.push(...await violations(p));
  expect(found).toEqual([]);
  await p.locator("[data-testid=sessions] li:not(:has-text('Phiên này')) button").click();
  await until("one is left", async () => (await p.locator("[data-testid=sessions] li").count()) === 1);
  await expect(other.get("/api/v1/me")).rejects.toThrow("401");
  await p.click("dialog button.danger");
  await p.waitForSelector("input[name=user]");
  await city.control("--heal");
  await until("the password comes to the city", () => new Session(city.file.command.url).logIn({ user: "hoa.le", password: "bốn con mèo ngồi" }));
}, 180_000);
