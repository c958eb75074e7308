// The command centre in a real browser against a whole city.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { barriers, city, open, until } from "./browser.mjs";

let browser, page;
const say = (category, lat, lon) => {
  const d = city.devices.find((x) => x.kind === "app");
  return fetch(city.command.url + "/api/v1/reports", {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: "Basic " + btoa(`${d.id}:${d.password}`) },
    body: JSON.stringify({ id: crypto.randomUUID(), category, text: `khói ở tầng 5 (${category})`, location: { lat, lon, accuracy_m: 20 } }),
  }).then((r) => assert.equal(r.status, 201));
};
async function logIn(role, viewport) {
  const p = await (await browser.newContext({ viewport, locale: "vi-VN" })).newPage();
  const o = city.officers.find((x) => x.role === role);
  await p.goto(city.command.url + "/command/");
  await p.locator("input[name=user]").fill(o.user);
  await p.locator("input[name=password]").fill(o.password);
  await p.locator("button.main").click();
  await p.getByTestId("city").waitFor();
  return p;
}
before(async () => {
  browser = await open();
  await say("feedback", 10.72, 106.73);
  page = await logIn("command_officer", { width: 1920, height: 1080 });
});
after(() => browser?.close());

test("a report stands on the screen as it comes, and the first press on it chooses it", async () => {
  await page.locator(".banner.bell").waitFor(); // the press ends this banner, and must still count
  await say("fire", 10.72, 106.73);
  const line = page.locator(".line.P1", { hasText: "khói ở tầng 5 (fire)" });
  await line.waitFor();
  await line.locator(".pick").click();
  await page.getByTestId("case").getByText("khói ở tầng 5 (fire)").first().waitFor();
  await page.keyboard.press("A"); // the keys that the case prints do the same as at the ward's desk
  const check = page.locator(".checklist input").first();
  await until("it is claimed and its checklist can be ticked", () => check.isEnabled());
  await page.keyboard.press("1");
  await until("the digit ticked it", () => check.isChecked());
  await barriers(page, "command centre");
});

test("the last day's figures count it, and its kinds", async () => {
  await page.getByRole("button", { name: "Số liệu 24 giờ" }).click();
  await page.getByRole("table", { name: "Theo loại" }).getByRole("row", { name: /Cháy nổ/ }).getByText("1", { exact: true }).first().waitFor();
  await barriers(page, "figures");
  await page.getByRole("button", { name: "Thống kê" }).click();
  await page.getByRole("table", { name: "Theo bước" }).getByRole("row", { name: /nhận/ }).getByText("1", { exact: true }).first().waitFor();
  await page.getByRole("table", { name: "Theo loại" }).getByRole("row", { name: /Cháy nổ/ }).first().waitFor();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Tải CSV" }).click()]);
  const sheet = await readFile(await file.path(), "utf8");
  assert.match(sheet, /^\ufeffWardline – thống kê/); // the mark by which Excel reads Vietnamese
  assert.match(sheet, /\r\nTheo loại,Cháy nổ,\d/);
  const [work] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Tải Excel" }).click()]);
  assert.match(work.suggestedFilename(), /\.xlsx$/);
  assert.equal((await readFile(await work.path())).subarray(0, 4).toString("latin1"), "PK\u0003\u0004");
  await barriers(page, "statistics");
  await page.getByRole("button", { name: "Chọn ngày" }).click();
  await page.getByLabel("Từ", { exact: true }).fill("2026-01-02");
  await page.getByLabel("Đến", { exact: true }).fill("2026-01-01");
  await page.getByText("Chọn ngày bắt đầu trước").waitFor();
  await page.getByRole("button", { name: "Chất lượng báo động" }).click();
  await page.getByTestId("quality").waitFor();
  await barriers(page, "quality");
});

test("a station that falls silent is said to be, and its last values are not shown as the present", async () => {
  await page.getByRole("button", { name: "Trạm phường" }).click();
  const row = page.getByTestId("stations").locator("tbody tr").first();
  await row.getByText("●").waitFor({ timeout: 60_000 });
  const order = (...a) => execFileSync(process.env.WARDLINE, ["city", "--data", process.env.CITY_DIR, ...a]);
  order("--stop", city.stations[0].id);
  try {
    await row.getByText("MẤT").waitFor({ timeout: 60_000 });
    assert.match((await row.getAttribute("class")) ?? "", /stale/);
    assert.equal(await row.locator("td").nth(1).innerText(), "?");
    await page.getByTestId("city").getByText("1 trạm im lặng").waitFor();
    await barriers(page, "stations");
  } finally {
    order("--start", city.stations[0].id);
  }
  await row.getByText("●").waitFor({ timeout: 60_000 });
});

test("the wall has no control, no barrier and nothing below 28 pixels", async () => {
  const wall = await logIn("command_officer", { width: 1920, height: 1080 });
  await wall.goto(city.command.url + "/command/#wall");
  await wall.locator(".wall").waitFor();
  assert.equal(await wall.locator("button, input, select").count(), 0);
  const small = await wall.evaluate(() => [...document.querySelectorAll(".wall *")]
    .filter((e) => e.childNodes.length && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 28 && !e.closest(".leaflet-pane"))
    .map((e) => `${e.className}: ${e.textContent} ${getComputedStyle(e).fontSize}`));
  assert.deepEqual(small, []);
  await barriers(wall, "wall");
  await wall.context().close();
});

test("a department's desk is the same screen with what the department was told", async () => {
  const desk = await logIn("department_officer", { width: 1920, height: 1080 });
  await until("its title is the unit's", async () => (await desk.locator("h1").innerText()).includes("Bàn trực"));
  assert.equal(await desk.locator(".line", { hasText: "(feedback)" }).count(), 0);
  await desk.context().close();
});
