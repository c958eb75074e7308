// The ward desk in a real browser against a real city.
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

/** One report of the phone, with words of its own; the words find it on every screen. */
let n = 0;
async function report(category: string, more: Record<string, unknown> = {}): Promise<{ id: string; words: string }> {
  const words = `Tin thử số ${++n} ${category}`;
  return { id: await city.report({ category, text: words, ...more }), words };
}
async function leave(p: Page): Promise<void> {
  await p.keyboard.press("Escape");
  await until("the question is left", async () => (await p.locator("dialog[open]").count()) === 0);
}
test("two officers claim one incident: one has it, the other sees who", async () => {
  const { id } = await report("fire");
  const [a, b] = await Promise.all([desk(browser, city.station, city.officer("ward"), faults), desk(browser, city.station, city.officer("ward-2"), faults)]);
  await Promise.all([pick(a, id), pick(b, id)]);
  await Promise.all([shows(a, "holder", "CHƯA NHẬN"), shows(b, "holder", "CHƯA NHẬN")]);
  await Promise.all([a.keyboard.press("a"), b.keyboard.press("a")]);
  await Promise.all([shows(a, "holder", /ward/), shows(b, "holder", /ward/)]);
  const said = [await text(a, "holder"), await text(b, "holder")];
  expect(said.filter((s) => s.includes("Tôi giữ"))).toHaveLength(1);
  const winner = said[0]!.includes("Tôi giữ") ? "ward" : "ward-2";
  const loser = winner === "ward" ? b : a;
  await shows(loser, "holder", winner);
  // The row says it too, and the loser may not work on it.
  await until("the holder in the row", async () => (await line(loser, id).innerText()).includes(winner));
  expect(await loser.locator(".actions button", { hasText: "Xác minh" }).isDisabled()).toBe(true);
  // Taken back within ten seconds.
  const other = winner === "ward" ? a : b;
  await other.keyboard.press("z");
  await Promise.all([shows(a, "holder", "CHƯA NHẬN"), shows(b, "holder", "CHƯA NHẬN")]);
  await Promise.all([a.context().close(), b.context().close()]);
}, 60_000);

test("from report to closed with the keyboard alone", async () => {
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  const k = p.keyboard;
  await k.press("n");
  await p.waitForSelector("dialog select");
  await k.type("Tai");
  await k.press("Tab");
  await k.type("Xe tải va xe máy, một người bị thương. avdpmrnz");
  await k.press("Tab");
  await k.type("Ngã tư Huỳnh Tấn Phát");
  await k.press("Tab");
  await k.type("Chị Lan 0901 234 567");
  await k.press("Enter");
  await p.waitForSelector("[data-testid=holder]");
  // Who called is not in view; opening it is an entry with the officer's name.
  expect(await text(p, "case")).not.toContain("0901234567");
  await k.press("q");
  await shows(p, "case", "0901234567");
  await shows(p, "timeline", "Mở danh tính");
  await k.press("a");
  await shows(p, "holder", "Tôi giữ");
  await k.press("v");
  await p.waitForSelector("dialog fieldset");
  await k.press("1");
  await k.press("1");
  await k.press("Enter");
  await shows(p, "status", "Đã xác minh");
  await k.press("d");
  await p.waitForSelector("dialog fieldset");
  await k.press("2");
  await shows(p, "status", "Đã điều lực lượng");
  await k.press("y");
  await p.waitForSelector("dialog fieldset");
  await k.press("Enter");
  await shows(p, "status", "Tại hiện trường");
  // The close is barred until the list is done.
  for (const item of ["1", "2", "3"]) {
    await k.press(item);
    await until(`item ${item}`, () => p.locator(".check input").nth(Number(item) - 1).isChecked());
  }
  await k.press("r");
  await p.waitForSelector("dialog fieldset");
  await k.press("1");
  await k.press("Enter");
  await shows(p, "status", "Đã đóng");
  await p.context().close();
}, 60_000);

test("the checklist bars the close, and a false report needs none", async () => {
  const s = await new Session(city.station).logIn(city.officer("ward"));
  const real = await report("medical");
  const hoax = await report("medical");
  for (const [r, verdict] of [[real, "true:seen"], [hoax, "false:prank"]] as const) {
    await s.act(r.id, "claim");
    await s.act(r.id, "verify", { reason: verdict });
    await s.act(r.id, "resolve");
  }
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, real.id);
  await p.keyboard.press("r");
  await p.waitForSelector("dialog[open]");
  expect(await p.locator("dialog .btn.main").isDisabled()).toBe(true);
  await leave(p);
  await pick(p, hoax.id);
  await p.keyboard.press("r");
  await p.waitForSelector("dialog[open]");
  await p.locator("dialog .btn.main").click();
  await shows(p, "status", "Đã đóng");
  await p.context().close();
}, 60_000);

test("a new report never moves the chosen row; it waits, and one key lets it in", async () => {
  const low = await report("feedback");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, low.id);
  await p.mouse.move(5, 5);
  const before = await line(p, low.id).boundingBox();
  const urgent = await report("panic");
  await shows(p, "waiting", "1 tin mới");
  // The bar itself takes its place above the list once; the order of the list stands.
  expect(await line(p, urgent.id).count()).toBe(0);
  const ids = await p.locator(".line").evaluateAll((l) => l.map((x) => (x as HTMLElement).dataset["id"]));
  await report("panic");
  await shows(p, "waiting", "2 tin mới");
  expect(await p.locator(".line").evaluateAll((l) => l.map((x) => (x as HTMLElement).dataset["id"]))).toEqual(ids);
  expect(before).not.toBeNull();
  await p.keyboard.press("u");
  await until("the new row", async () => (await line(p, urgent.id).count()) === 1);
  await p.context().close();
}, 60_000);

test("duplicates are suggested with a reason, merged side by side, and split again with one key", async () => {
  const here = { location: { lat: 10.71, lon: 106.74, accuracy_m: 10 } };
  const first = await report("traffic_accident", here);
  const second = await report("traffic_accident", { location: { lat: 10.7105, lon: 106.74, accuracy_m: 10 } });
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, second.id);
  await until("the suggestion", async () => (await text(p, "case")).includes(first.words));
  expect(await text(p, "case")).toMatch(/Cách nhau 5\d m .*cùng loại/); // why it is suggested
  await p.keyboard.press("m");
  await shows(p, "apart", /Cách nhau 5\d m .*cùng loại/);
  await p.locator("dialog .btn.main").click();
  await until("merged", async () => (await text(p, "case")).includes("Đã gộp với"));
  await p.keyboard.press("z");
  await until("split", async () => !(await text(p, "case")).includes("Đã gộp với"));
  await p.context().close();
}, 60_000);

test("a message goes to the reporter, and the reporter's answer stands in the case", async () => {
  const r = await report("medical");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, r.id);
  await p.keyboard.press("s");
  await p.waitForSelector("dialog textarea");
  await p.keyboard.type("Xe cấp cứu đang tới");
  await p.keyboard.press("Control+Enter");
  await until("the message", async () => (await p.locator(".messages").innerText()).includes("Xe cấp cứu đang tới"));
  await city.message(r.id, "Ông đã tỉnh lại");
  await until("the answer", async () => (await p.locator(".messages").innerText()).includes("Ông đã tỉnh lại"));
  await p.context().close();
}, 60_000);

test("keys rest while somebody types or an input method composes", async () => {
  const { id } = await report("security");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, id);
  await p.evaluate(() => {
    for (const init of [{ key: "a", isComposing: true }, { key: "Process", keyCode: 229 }, { key: "a", ctrlKey: true }]) dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, ...init }));
  });
  await p.keyboard.press("/");
  await p.keyboard.type("a tin thu");
  expect(await p.locator("#search").inputValue()).toBe("a tin thu");
  await shows(p, "holder", "CHƯA NHẬN");
  await p.context().close();
}, 60_000);

test("what was said is found with the keyboard alone, also closed and without diacritics, and shows where", async () => {
  const s = await new Session(city.station).logIn(city.officer("ward"));
  const r = await report("feedback", { text: "Đèn đường hỏng trước quán Bà Bảy", place_text: "hẻm 41 Huỳnh Tấn Phát" });
  await s.act(r.id, "claim");
  await s.act(r.id, "verify", { reason: "false:nothing" });
  await s.act(r.id, "resolve");
  await s.act(r.id, "close");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await p.keyboard.press("/");
  await p.keyboard.type("den duong hong qu");
  await until("it is found", async () => (await p.locator(".hit").count()) === 1);
  expect(await p.locator(".hit mark").allInnerTexts()).toEqual(["Đèn", "đường", "hỏng", "quán"]);
  expect(await p.locator(".line").count()).toBe(0); // it is closed: the queue has it no more
  await p.keyboard.press("ArrowDown");
  await until("it is chosen", async () => (await p.locator("#search").getAttribute("aria-activedescendant")) === "hit-0");
  expect(await violations(p)).toEqual([]);
  await p.keyboard.press("Enter");
  await shows(p, "status", "Đã đóng");
  await p.keyboard.press("/");
  await p.keyboard.press("Escape");
  await until("the box is empty", async () => (await p.locator(".found").count()) === 0);
  await p.context().close();
}, 90_000);

test("an index that is not whole says so before what it found", async () => {
  const r = await report("feedback");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await p.route("**/api/v1/search?*", async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as Record<string, unknown>;
    await route.fulfill({ response: answer, json: { ...body, index: { state: "building", position: 45, of: 100 } } });
  });
  await p.keyboard.press("/");
  await p.keyboard.type(r.words);
  await shows(p, "index", "45 %");
  await p.unroute("**/api/v1/search?*");
  await until("it asks again by itself, and nothing is missing", async () => (await p.getByTestId("index").count()) === 0 && (await p.locator(".hit").count()) > 0);
  await p.context().close();
}, 60_000);

test("an unclaimed report rings by its priority until somebody has it; without sound the desk says so", async () => {
  const c = await context(browser);
  await c.addInitScript(() => {
    const made: number[] = ((globalThis as unknown as { tones: number[] }).tones = []);
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      made.push(performance.now());
      return create.call(this);
    };
  });
  const p = await open(c, `${city.station}/desk/`, faults);
  await logIn(p, city.officer("ward"));
  await p.waitForSelector("dialog[open]");
  for (const b of ["P1", "P2", "P3", "P4"]) await until(`${b} was heard`, async () => {
    const button = p.getByRole("button", { name: `Nghe ${b}` });
    await button.click();
    return (await button.getAttribute("aria-pressed")) === "true";
  });
  await p.getByRole("button", { name: "Tôi nghe rõ" }).click();
  await until("no banner", async () => (await p.locator(".banner.bell").count()) === 0);
  const { id } = await report("fire");
  await pick(p, id);
  const rung = () => p.evaluate(() => (globalThis as unknown as { tones: number[] }).tones.length);
  const before = await rung();
  await until("it rings, and again", async () => (await rung()) >= before + 8);
  await c.close();
}, 60_000);

test("cut and healed with work on both sides: the desk works on, then shows what contradicts", async () => {
  const { id } = await report("security");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  const command = await new Session(city.file.command.url).logIn(city.officer("command"));
  await until("the city has the report", () => command.get(`/api/v1/incidents/${id}`));
  await pick(p, id);
  await city.control("--cut=refuse");
  await shows(p, "line", /WAN mất/);
  await shows(p, "promise", "Phường vẫn nhận tin");
  // Here: claimed, and another category. There: yet another.
  await p.keyboard.press("a");
  await shows(p, "holder", "Tôi giữ");
  await p.keyboard.press("e");
  await p.waitForSelector("dialog fieldset");
  await p.locator('dialog input[value="crime"]').check();
  await p.keyboard.press("Enter");
  await until("the category", async () => (await p.locator("[data-testid=case] h2").innerText()).includes("Hình sự"));
  expect(await text(p, "timeline")).toContain("ghi lúc mất mạng");
  await shows(p, "line", /[1-9]\d* chờ gửi/);
  await command.act(id, "classify", { category: "fire" });
  await city.control("--heal");
  await shows(p, "healed", "nối lại");
  await shows(p, "conflicts", "Hai bên ghi khác nhau");
  await shows(p, "conflicts", "Cháy nổ");
  await p.getByRole("button", { name: "Đối soát", exact: true }).click();
  await until("the review", async () => {
    const t = await text(p, "review");
    return t.includes("command") && t.includes("Hình sự") && t.includes("Cháy nổ");
  });
  await leave(p);
  const label = await p.getByTestId("conflicts").locator("button", { hasText: "Hình sự" }).locator("kbd").innerText();
  await p.keyboard.press(label);
  await until("settled", async () => (await p.getByTestId("conflicts").count()) === 0);
  await until("the city agrees", async () => {
    const i = await command.get<{ category: string; conflicts: unknown[] }>(`/api/v1/incidents/${id}`);
    return i.category === "crime" && i.conflicts.length === 0;
  });
  await shows(p, "line", /^WAN ●/);
  await p.context().close();
}, 90_000);

test("when the station is gone nothing looks live, and it is right again by itself", async () => {
  const { id } = await report("crime");
  const p = await desk(browser, city.station, city.officer("ward"), faults);
  await pick(p, id);
  const ward = city.file.stations[0]!.id;
  await city.control("--stop", ward);
  await until("the queue is stale", async () => (await p.locator(".queue.stale").count()) === 1);
  expect(await p.locator(".case.stale").count()).toBe(1);
  expect(await line(p, id).innerText()).toMatch(/\?$/); // whether the city has it is not known now
  expect(await text(p, "line")).toContain("LAN ✕");
  expect(await p.locator(".actions button", { hasText: "Nhận" }).first().isDisabled()).toBe(true);
  await city.control("--start", ward);
  await until("live again", async () => (await p.locator(".queue.stale").count()) === 0, 60_000);
  const later = await report("crime");
  await pick(p, later.id);
  await p.keyboard.press("a");
  await shows(p, "holder", "Tôi giữ");
  await p.context().close();
}, 120_000);

test.each([["dark", "vi"], ["light", "en"]] as const)("axe finds nothing: %s, %s", async (theme, lang) => {
  const found: Record<string, unknown> = {};
  const first = await open(await context(browser, { theme, lang }), `${city.station}/desk/`, faults);
  const check = async (p: Page, what: string) => {
    const v = await violations(p);
    if (v.length) found[what] = v;
  };
  await first.waitForSelector("form");
  await check(first, "log-in");
  await logIn(first, city.officer("ward"));
  await first.waitForSelector("dialog[open]");
  await check(first, "start of shift");
  await first.context().close();
  const { id } = await report("fire", { location: { lat: 10.7, lon: 106.73, accuracy_m: 20 } });
  await report("fire", { location: { lat: 10.7001, lon: 106.7301, accuracy_m: 20 } });
  const p = await desk(browser, city.station, city.officer("ward"), faults, { theme, lang });
  await pick(p, id);
  await p.keyboard.press("a");
  await shows(p, "holder", "ward");
  await check(p, "desk");
  // The questions share their parts: all of them in one look, those with parts of their own in the other.
  for (const key of theme === "dark" ? ["v", "d", "p", "m", "w", "n", "h", "?"] : ["v", "m", "n"]) {
    await ask(p, key);
    await check(p, "question " + key);
    await leave(p);
  }
  expect(found).toEqual({});
  await p.context().close();
}, 240_000);
