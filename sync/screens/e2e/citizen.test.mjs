// The citizen's page in a real browser against a whole city: what a person sent is
// in the city exactly once, whatever network, tab and clock do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, city, officer, open, reportsInCity, until } from "./browser.mjs";

let browser, audit, command;
before(async () => {
  browser = await open();
  audit = await officer("auditor");
  command = await officer("command_officer");
});
after(() => browser?.close());

const phone = { viewport: { width: 360, height: 740 }, geolocation: { latitude: 10.7203, longitude: 106.7312, accuracy: 18 }, permissions: ["geolocation"], locale: "vi-VN", hasTouch: true };
const address = city.command.url + "/citizen/?ward=26704";
const ids = (page) => page.evaluate(() => new Promise((ok, no) => {
  const r = indexedDB.open("wardline-citizen");
  r.onerror = () => no(r.error);
  r.onsuccess = () => {
    const all = r.result.transaction("reports").objectStore("reports").getAllKeys();
    all.onsuccess = () => { r.result.close(); ok(all.result); };
  };
}));
const once = async (id) => until(`${id} once in the city`, async () => (await reportsInCity(audit)).filter((x) => x === id).length === 1);

/** A phone that has opened the page once, with everything kept for later. */
async function ready(context) {
  const page = await context.newPage();
  await page.goto(address);
  await until("the page is kept", () => page.evaluate(async () => (await caches.match("/citizen/")) !== undefined && (await navigator.serviceWorker.ready).active?.state === "activated"));
  await until("the phone is registered", () => page.evaluate(() => new Promise((ok) => {
    const r = indexedDB.open("wardline-citizen");
    r.onsuccess = () => { const g = r.result.transaction("meta").objectStore("meta").get("install"); g.onsuccess = () => { r.result.close(); ok(g.result?.id.startsWith("app-26704-")); }; };
  })));
  return page;
}
const send = async (page, tile, text) => {
  await page.locator(`.tiles button.${tile}`).click();
  await page.locator("textarea").fill(text);
  await page.locator("button.send").click();
  await page.getByTestId("steps").waitFor();
};

test("a fire is told with its floor, the trapped and the smoke, and its state is honest to the end", async () => {
  const context = await browser.newContext(phone);
  const page = await ready(context);
  await page.locator(".tiles button.fire").click();
  await page.getByText("Đã có vị trí, sai số khoảng 18 m").waitFor();
  await page.getByLabel("Tầng mấy, phòng nào?").fill("5");
  await page.getByRole("group", { name: "Có người mắc kẹt không?" }).getByRole("button", { name: "Có", exact: true }).click();
  await page.getByLabel("Mấy người?").fill("3");
  await page.getByRole("group", { name: "Có nhiều khói không?" }).getByRole("button", { name: "Có", exact: true }).click();
  await barriers(page, "form");
  await page.locator("button.send").click();
  await page.locator("li.done", { hasText: "Thành phố đã nhận" }).waitFor();
  assert.equal(await page.locator("li.done", { hasText: "Cán bộ đã xem" }).count(), 0);
  const [id] = await ids(page);
  await once(id);
  const seen = await command(`/api/v1/incidents/${id}`);
  assert.match(seen.reports[0].sealed.text, /Mắc kẹt: có\nSố người mắc kẹt: 3\nNhiều khói: có/);
  assert.equal(seen.reports[0].place.accuracy_m, 18);
  await barriers(page, "state");
  await context.close();
});

test("in airplane mode, the tab killed and the clock hours off: everything goes out once when the network is back", async () => {
  const context = await browser.newContext(phone);
  await (await ready(context)).close();
  await context.setOffline(true);
  const page = await context.newPage();
  await page.clock.setSystemTime(Date.now() - 5 * 3600_000);
  await page.goto(address); // from the service worker
  await send(page, "medical", "người ngất");
  await page.locator("li.done", { hasText: "Đã lưu trên máy" }).waitFor();
  assert.equal(await page.locator("li.done").count(), 1, "nothing is said to be sent");
  await page.getByRole("button", { name: /Báo tin khác/ }).click();
  const sos = await page.locator(".sos").boundingBox();
  await page.mouse.move(sos.x + 60, sos.y + 60);
  await page.mouse.down();
  await page.locator(".sos-count").waitFor();
  await page.mouse.up();
  await barriers(page, "the five seconds");
  await page.getByRole("button", { name: "Gửi ngay" }).click();
  await page.getByTestId("steps").waitFor();
  const made = await ids(page);
  assert.equal(made.length, 2);
  await page.close({ runBeforeUnload: false });
  const before = await reportsInCity(audit);
  assert.ok(made.every((id) => !before.includes(id)));
  await context.setOffline(false);
  const [a, b] = [await context.newPage(), await context.newPage()]; // two tabs at once
  await Promise.all([a.goto(address), b.goto(address)]);
  for (const id of made) await once(id);
  await a.goto(address + "#mine");
  await until("both are shown as the city's", async () => (await a.locator(".state", { hasText: "Thành phố đã nhận" }).count()) === 2);
  await context.close();
});

test("an answer that was lost on the way is no second report", async () => {
  const context = await browser.newContext({ ...phone, serviceWorkers: "block" });
  const page = await context.newPage();
  let lost = 0;
  await page.route("**/api/v1/reports", async (route) => {
    if (lost++ === 0) {
      await route.fetch(); // the city has it
      await route.abort("connectionreset");
    } else await route.continue();
  });
  await page.goto(address);
  await send(page, "crime", "đánh nhau");
  await page.locator("li.done", { hasText: "Thành phố đã nhận" }).waitFor({ timeout: 60_000 });
  assert.ok(lost >= 2);
  await once((await ids(page))[0]);
  await context.close();
});

test("a pocket does not call: a short press and a cancelled one send nothing", async () => {
  const context = await browser.newContext(phone);
  const page = await ready(context);
  const box = await page.locator(".sos").boundingBox();
  await page.mouse.move(box.x + 60, box.y + 60);
  await page.mouse.down();
  await page.locator(".sos.holding").waitFor();
  await page.mouse.up();
  assert.equal(await page.locator(".sos-count").count(), 0);
  await page.mouse.down();
  await page.locator(".sos-count").waitFor();
  await page.mouse.up();
  await page.getByRole("button", { name: "Hủy" }).click();
  await page.locator(".sos").waitFor();
  assert.deepEqual(await ids(page), []);
  await context.close();
});

test("a code shows the state on another phone, and fits in 360 pixels without a barrier", async () => {
  const context = await browser.newContext(phone);
  const page = await ready(context);
  await barriers(page, "home");
  await send(page, "security", "ồn ào");
  await page.locator("li.done", { hasText: "Thành phố đã nhận" }).waitFor();
  const code = await page.locator(".code").innerText();
  const other = await (await browser.newContext(phone)).newPage();
  await other.goto(`${city.command.url}/citizen/#r/${code}`);
  await other.locator("li.done", { hasText: "Thành phố đã nhận" }).waitFor();
  await barriers(other, "follow");
  for (const hash of ["", "#form/fire", "#mine", "#poster"]) {
    await page.goto(address + hash);
    await page.locator("h1").waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${hash || "home"} is ${wide} px wide`);
  }
  await other.context().close();
  await context.close();
});

test("desk and reporter write to each other, offline too, and what was closed wrongly is opened again", async () => {
  const context = await browser.newContext(phone);
  const page = await ready(context);
  await send(page, "crime", "có người đập cửa");
  await page.locator("li.done", { hasText: "Thành phố đã nhận" }).waitFor();
  const [id] = await ids(page);
  const act = async (fields) => {
    const seen = await until("the lead is known", async () => { const i = await command(`/api/v1/incidents/${id}`); return i.lead && i; });
    return command(`/api/v1/incidents/${id}/actions`, { id: crypto.randomUUID(), seen: seen.version, ...fields });
  };
  await context.setOffline(true);
  await page.getByLabel("Viết tin nhắn").fill("tôi trốn trong phòng");
  await page.getByRole("button", { name: "Gửi tin nhắn" }).click();
  await page.locator(".talk .waits", { hasText: "chưa gửi" }).waitFor();
  await context.setOffline(false);
  await page.locator(".talk .reporter:not(.waits)", { hasText: "tôi trốn trong phòng" }).waitFor({ timeout: 60_000 });
  await act({ action: "contact", reason: "message", text: "xe đang tới, giữ im lặng" });
  await page.locator(".talk .desk", { hasText: "giữ im lặng" }).waitFor({ timeout: 60_000 });
  await act({ action: "close", reason: "done" });
  await page.getByLabel("Vì sao việc này chưa xong?").fill("họ quay lại");
  await page.getByRole("button", { name: "đề nghị mở lại" }).click();
  await until("it is open again", async () => (await command(`/api/v1/incidents/${id}`)).open);
  await barriers(page, "messages");
  await context.close();
});
