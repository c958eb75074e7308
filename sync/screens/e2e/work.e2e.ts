// What an officer does beside claiming and closing: enters with a place, parks, calls, forwards and accepts, hands over.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { open as launch, until, violations } from "./browser.mjs";
import { ask, context, desk, line, logIn, open, pick, shows, text } from "./desks";
import { City, Session } from "./city";

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

let n = 0;
const report = (category: string): Promise<string> => city.report({ category, text: `Việc thử số ${++n}` });
async function claimed(p: Page, id: string): Promise<void> {
  await pick(p, id);
  await p.keyboard.press("a");
  await shows(p, "holder", "Tôi giữ");
}

test("a report that is entered has the place that was pointed at on the map, with how well", async () => {
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await ask(p, "n");
  await p.selectOption("dialog select", "security");
  await p.fill("dialog textarea", "Gây rối ở chợ");
  await p.getByRole("button", { name: "Chỉ nơi xảy ra trên bản đồ" }).click();
  const map = p.getByTestId("placepick").locator(".map");
  await until("the map lies", async () => ((await map.boundingBox())?.height ?? 0) > 100);
  await map.click({ position: { x: 120, y: 90 } });
  await shows(p, "placepick", /10\.\d{5}, 106\.\d{5} · sai số \d+ m · gần tâm .+ nhất/);
  const pointed = await text(p, "placepick");
  // With the keyboard: the arrows move the map, Enter takes its middle.
  await map.focus();
  await p.keyboard.press("ArrowRight");
  await p.keyboard.press("Enter");
  await until("another place", async () => (await text(p, "placepick")) !== pointed);
  expect(await violations(p)).toEqual([]);
  const [lat, lon] = (await p.getByTestId("placepick").locator("b").innerText()).split(", ").map(Number);
  await p.locator("dialog .btn.main").click();
  await p.waitForSelector("[data-testid=holder]");
  const id = await p.evaluate(() => document.querySelector(".line.on")?.getAttribute("data-id") ?? "");
  const s = await new Session(city.station).logIn(city.officer("ward"));
  const i = await s.get<{ place: { lat: number; lon: number; accuracy_m: number } }>(`/api/v1/incidents/${id}`);
  expect(i.place.lat).toBeCloseTo(lat!, 4);
  expect(i.place.lon).toBeCloseTo(lon!, 4);
  expect(i.place.accuracy_m).toBeGreaterThan(4);
  await p.context().close();
}, 120_000);

test("what is parked leaves the queue, stands in the strip with its time, and a call is logged with one key", async () => {
  const id = await report("security");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await claimed(p, id);
  await ask(p, "c");
  await p.keyboard.press("1");
  await p.waitForSelector('dialog input[name="outcome"]');
  await p.keyboard.press("2");
  await shows(p, "timeline", "Gọi điện");
  await shows(p, "timeline", "Không nghe máy");
  await ask(p, "p");
  await p.keyboard.press("1");
  await p.keyboard.press("1");
  await p.keyboard.press("Enter");
  const card = p.locator(".strip .card", { hasText: `Việc thử số ${n}` });
  await until("it is parked", async () => (await card.count()) === 1 && (await card.innerText()).includes("trở lại sau"));
  // The chosen row never moves away by itself; one key lets the list settle.
  await p.keyboard.press("u");
  await until("its row is gone", async () => (await line(p, id).count()) === 0);
  await p.context().close();
}, 120_000);

test("forwarded at the ward, accepted at the command centre, which leads from then on", async () => {
  const id = await report("crime");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await claimed(p, id);
  await ask(p, "w");
  await p.selectOption("dialog select", "command");
  await p.fill("dialog textarea", "Vượt thẩm quyền phường");
  await p.keyboard.press("Control+Enter");
  await shows(p, "timeline", "Chuyển");
  const q = await open(await context(browser), `${city.file.command.url}/command/`, faults);
  await logIn(q, city.officer("command"));
  await q.waitForSelector("[data-testid=stream].live");
  await pick(q, id);
  await shows(q, "timeline", "Vượt thẩm quyền phường");
  await q.keyboard.press("t");
  await shows(q, "timeline", "Tiếp nhận");
  const s = await new Session(city.file.command.url).logIn(city.officer("command"));
  await until("the command centre leads", async () => (await s.get<{ lead: string }>(`/api/v1/incidents/${id}`)).lead === "command");
  await shows(p, "timeline", "Tiếp nhận"); // the ward hears of it by itself
  await Promise.all([p.context().close(), q.context().close()]);
}, 150_000);

test("at the end of a shift everything held goes to the next officer", async () => {
  const [one, two] = [await report("security"), await report("medical")];
  const p = await desk(browser, city.station, city.officer("ward-2"), faults);
  await claimed(p, one);
  await claimed(p, two);
  await ask(p, "h");
  await p.selectOption("dialog select", "ward");
  await p.locator("dialog .btn.main").click();
  await until("it is said", async () => (await p.locator("dialog").innerText()).includes("Đã bàn giao 2 vụ cho ward"));
  await p.keyboard.press("Escape");
  await shows(p, "holder", "ward");
  const s = await new Session(city.station).logIn(city.officer("ward"));
  for (const id of [one, two]) {
    const i = await s.get<{ units: { unit: string; holder?: { officer: string } }[] }>(`/api/v1/incidents/${id}`);
    expect(i.units.find((u) => u.unit.startsWith("ward/") && u.holder)?.holder?.officer).toBe("ward");
  }
  await p.context().close();
}, 120_000);

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
