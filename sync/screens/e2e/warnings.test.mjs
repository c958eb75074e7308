// A public warning in real browsers: written, previewed and sent at the command centre,
// read on a citizen's page, counted, taken back; and a ward that is cut off warns itself.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { barriers, city, officer, open, until } from "./browser.mjs";

let browser, command, citizen;
const station = city.stations[0];
const order = (...a) => execFileSync(process.env.WARDLINE, ["city", "--data", process.env.CITY_DIR, ...a]);
async function logIn(url, role, where) {
  const p = await (await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN", timezoneId: "Asia/Ho_Chi_Minh" })).newPage();
  const o = city.officers.find((x) => x.role === role);
  await p.goto(url);
  await p.locator("input[name=user]").fill(o.user);
  await p.locator("input[name=password]").fill(o.password);
  await p.locator("button.main").click();
  await p.getByTestId(where).first().waitFor();
  return p;
}
before(async () => {
  browser = await open();
  command = await logIn(city.command.url + "/command/", "command_officer", "city");
  citizen = await (await browser.newContext({ viewport: { width: 360, height: 740 }, locale: "vi-VN", timezoneId: "Asia/Ho_Chi_Minh" })).newPage();
});
after(() => browser?.close());

test("nothing goes out on the first press; the second sends, and the citizen reads until when it holds", async () => {
  await command.getByRole("button", { name: "Cảnh báo", exact: true }).click();
  await command.getByTestId("warnings").getByRole("button", { name: "Phát cảnh báo" }).click();
  await command.locator("input[name=event-vi]").fill("Ngập nước");
  await command.locator("input[name=headline-vi]").fill("Nước lên cao ở cầu Phú Mỹ");
  await command.locator("textarea[name=instruction-vi]").fill("Tránh xa bờ sông.");
  await command.locator("input[name=event-en]").fill("Flood");
  await command.locator("input[name=headline-en]").fill("Deep water at Phú Mỹ bridge");
  // An area that is drawn around the middle of the map, and the station's ward by name.
  await command.getByRole("button", { name: "Vẽ vùng" }).click();
  const box = await command.locator(".areamap").boundingBox();
  for (const [x, y] of [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6]]) await command.mouse.click(box.x + x * box.width, box.y + y * box.height);
  await command.getByText("3 điểm", { exact: false }).waitFor();
  const ward = (await (await officer("command_officer"))("/api/v1/wards")).features.find((f) => f.id === station.ward).properties.name;
  await command.getByLabel("Tìm phường").fill(ward);
  await command.locator(".wardpick label", { hasText: ward }).first().click();
  await barriers(command, "the form");
  await command.getByRole("button", { name: "Xem trước" }).click();
  await command.getByTestId("preview").getByText("Nước lên cao ở cầu Phú Mỹ").waitFor();
  await barriers(command, "the preview");
  const ask = await officer("command_officer");
  assert.equal((await ask("/api/v1/broadcasts")).items.length, 0, "sent before the second press");
  await command.getByRole("button", { name: "Phát ngay" }).click();
  await command.getByTestId("warning").getByText("đang phát").waitFor();
  const [sent] = (await ask("/api/v1/broadcasts")).items;
  assert.ok(sent.wards.includes(station.ward) && sent.wards.length > 1, `wards ${sent.wards}`);
  const ring = sent.alert.info[0].areas[0].polygons[0];
  assert.ok(ring.every(([lon, lat]) => lon > 106 && lon < 107.5 && lat > 10 && lat < 11.5), "GeoJSON has the longitude first");
  // Its station has answered.
  await command.getByTestId("warning").getByText(/^1\/\d+ trạm đã có/).waitFor();
  await barriers(command, "the list");

  await citizen.goto(`${station.url}/citizen/?ward=${station.ward}`);
  const banner = citizen.getByTestId("warnings");
  await banner.getByText("Nước lên cao ở cầu Phú Mỹ").waitFor();
  await banner.getByText(/Còn hiệu lực đến \d\d:\d\d/).waitFor();
  await banner.getByText("Tránh xa bờ sông.").waitFor();
  await barriers(citizen, "citizen's page with a warning");
  await citizen.getByRole("button", { name: "English" }).click();
  await banner.getByText("Deep water at Phú Mỹ bridge").waitFor();
  const other = (await ask("/api/v1/wards")).features.map((f) => f.id).find((c) => !sent.wards.includes(c));
  const a = await fetch(`${station.url}/api/v1/alerts?ward=${other}`);
  assert.deepEqual((await a.json()).items, [], "another ward is warned");
});

test("a warning that is taken back leaves the citizen's page", async () => {
  await command.getByTestId("warning").getByRole("button", { name: "Hủy cảnh báo" }).click();
  await command.getByRole("button", { name: "Xem trước" }).click();
  await command.getByRole("button", { name: "Phát ngay" }).click();
  await command.getByTestId("warning").getByText("đã hủy").waitFor();
  await until("the citizen's page is clear", async () => {
    await citizen.evaluate(() => dispatchEvent(new Event("online")));
    return (await citizen.getByTestId("warnings").count()) === 0;
  });
});

test("a ward warns itself only while it is cut off, and the command centre sees it afterwards", async () => {
  const desk = await logIn(station.url + "/desk/", "ward_officer", "line");
  await desk.keyboard.press("Escape"); // the test of the bell
  assert.equal(await desk.getByTestId("warning-banner").count(), 0, "the ward may warn while the line stands");
  order("--cut");
  try {
    await desk.getByTestId("warning-banner").getByRole("button", { name: "Phát cảnh báo" }).click();
    await desk.locator("input[name=event-vi]").fill("Rò rỉ khí");
    await desk.locator("input[name=headline-vi]").fill("Rò khí ga ở chợ, đừng bật lửa");
    await desk.getByRole("button", { name: "Xem trước" }).click();
    await desk.getByRole("button", { name: "Phát ngay" }).click();
    await desk.getByTestId("warning-banner").getByText("Rò khí ga ở chợ", { exact: false }).waitFor();
    await barriers(desk, "ward desk with a warning");
    await until("the citizen reads it at the ward", async () => {
      await citizen.evaluate(() => dispatchEvent(new Event("online")));
      return (await citizen.getByTestId("warnings").count()) === 1;
    });
  } finally {
    order("--heal");
  }
  await command.getByTestId("warning").filter({ hasText: "Rò khí ga" }).getByText("đang phát").waitFor({ timeout: 60_000 });
});
