// The administration in a real browser against a whole city: a second ward from the
// token to a report on both desks, officers, devices, rules, and who changed what.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, city, open, until } from "./browser.mjs";

let browser, page;
const shots = process.env.SHOTS; // a folder for pictures to look at
const shot = async (p, name) => shots && p.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

async function logIn(o, url = city.command.url + "/admin/", viewport = { width: 1920, height: 1080 }) {
  const p = await (await browser.newContext({ viewport, locale: "vi-VN", reducedMotion: "reduce" })).newPage();
  p.errors = [];
  p.on("pageerror", (e) => p.errors.push(String(e)));
  p.on("console", (m) => m.type() === "error" && /Content Security Policy/.test(m.text()) && p.errors.push(m.text()));
  await p.goto(url);
  await p.locator("input[name=user]").fill(o.user);
  await p.locator("input[name=password]").fill(o.password);
  await p.locator("button.main").click();
  return p;
}
const of = (role) => city.officers.find((x) => x.role === role);
/** Opens a part by its key, and waits until it has read what it shows. */
async function part(key, name, p = page) {
  await p.keyboard.press(key);
  await p.locator("main h2", { hasText: name }).waitFor();
  await p.locator("main").locator("table, .empty").first().waitFor();
}
const dialog = (p = page) => p.locator("dialog[open]");

before(async () => {
  browser = await open();
  page = await logIn(of("administrator"));
  await page.getByRole("heading", { name: "Trạm và máy chủ" }).waitFor();
});
after(async () => {
  assert.deepEqual(page.errors, []);
  await browser?.close();
});

test("the stations stand there with what is known of them", async () => {
  const row = page.getByRole("table", { name: "Trạm và máy chủ" }).getByRole("row", { name: /26704/ });
  await row.getByText("● Đang nối").waitFor();
  await row.getByText("Đã đăng ký").waitFor();
  await barriers(page, "stations");
});

test("a token is shown once, with the command to paste; its making stands in the list of changes", async () => {
  await page.keyboard.press("n");
  await dialog().locator("input[name=ward]").fill("27031");
  await dialog().locator("input[name=names]").fill("127.0.0.1, localhost");
  await barriers(page, "token form");
  await dialog().getByRole("button", { name: "Cấp mã" }).click();
  await dialog().getByText("Chỉ hiện một lần này").waitFor();
  const command = await dialog().locator("textarea").first().inputValue();
  assert.match(command, /wardline edge init .*--ward 27031/);
  assert.match(command, /--token \S{20,}/);
  await barriers(page, "token once");
  await shot(page, "token-dark");
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: /Tân Phú.*Chờ đăng ký/ }).waitFor();
  assert.equal(await page.getByText(command.match(/--token (\S+)/)[1]).count(), 0);
});

test("an officer gets a password that is shown once, is found, disabled and enabled; all with a reason", async () => {
  await part("2", "Cán bộ");
  await page.keyboard.press("n");
  const d = dialog();
  await d.locator("input[name=user]").fill("lan.nguyen");
  await d.locator("input[name=ward]").fill("27031");
  await d.locator("input[name=reason]").fill("trực ban phường Tân Phú");
  await barriers(page, "officer form");
  await d.getByRole("button", { name: "Tạo tài khoản" }).click();
  await d.getByText("Chỉ hiện một lần này").waitFor();
  const password = await d.locator("textarea").nth(1).inputValue();
  assert.ok(password.length >= 16);
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("tan phu");
  const row = page.getByRole("row", { name: /lan\.nguyen/ });
  await row.getByText("Chờ đổi mật khẩu").waitFor();
  assert.equal(await page.getByRole("table").locator("tbody tr").count(), 1);
  await barriers(page, "officers");
  // The officer comes with it, and may do nothing but choose another.
  const lan = await logIn({ user: "lan.nguyen", password });
  await lan.getByRole("heading", { name: "Đổi mật khẩu" }).waitFor();
  await barriers(lan, "choose a password");
  await lan.locator("input[name=old]").fill(password);
  await lan.locator("input[name=next]").fill("bốn con mèo ngồi");
  await lan.locator("input[name=again]").fill("bốn con mèo ngồi");
  await lan.locator("button.main").click();
  await lan.getByRole("alert").getByText("Trực ban phường").waitFor(); // and is told that this page is not for them
  await lan.context().close();
  await page.reload();
  await page.getByRole("row", { name: /lan\.nguyen/ }).getByText("Đang dùng").waitFor();
  await page.getByRole("row", { name: /lan\.nguyen/ }).getByRole("button", { name: "Khóa" }).click();
  await dialog().locator("input[name=reason]").fill("chuyển công tác");
  await dialog().getByRole("button", { name: "Khóa" }).click();
  await until("it is out of the list", async () => (await page.getByRole("row", { name: /lan\.nguyen/ }).count()) === 0);
  await page.getByLabel(/Hiện cả tài khoản đã khóa/).check();
  await page.getByRole("row", { name: /lan\.nguyen/ }).getByRole("button", { name: "Mở khóa" }).click();
  await dialog().locator("input[name=reason]").fill("trở lại");
  await dialog().getByLabel(/Phải đổi mật khẩu/).uncheck();
  await dialog().getByRole("button", { name: "Cấp mật khẩu mới" }).click();
  await dialog().getByText("Chỉ hiện một lần này").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: /lan\.nguyen/ }).getByText("Đang dùng").waitFor();
});

test("sessions of an account are listed with where they are from; one is ended, then all", async () => {
  await part("2", "Cán bộ");
  const chief = of("department_officer"); // who uses the city nowhere else
  const use = async () => (await fetch(city.command.url + "/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: chief.user, password: chief.password }) })).headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  const still = async (cookie) => (await fetch(city.command.url + "/api/v1/me", { headers: { Cookie: cookie } })).status === 200;
  const [one, two] = [await use(), await use()];
  assert.ok((await still(one)) && (await still(two))); // a session is listed once it was used
  await page.getByRole("row", { name: new RegExp(`^${chief.user} `) }).getByRole("button", { name: "Phiên", exact: true }).click();
  const list = dialog().getByTestId("sessions").getByRole("listitem");
  await until("both are listed", async () => (await list.count()) >= 2);
  const had = await list.count();
  await list.first().getByText("127.0.0.1").waitFor();
  await barriers(page, "sessions");
  await shot(page, "sessions-dark");
  await list.first().getByRole("button", { name: "Kết thúc" }).click();
  await until("one is over", async () => (await list.count()) === had - 1);
  await until("one of the two is over, and the other goes on", async () => (await still(one)) !== (await still(two)));
  await dialog().getByRole("button", { name: "Kết thúc tất cả phiên" }).click();
  assert.ok((await still(one)) || (await still(two)), "nothing is ended by the first press");
  await dialog().getByRole("button", { name: `Kết thúc mọi phiên của ${chief.user}` }).click();
  await until("all are over", async () => !(await still(one)) && !(await still(two)));
  await dialog().getByText("Không có phiên nào đang mở ở đây.").waitFor();
  await page.keyboard.press("Escape");
});

test("a device gets a secret with a QR code, is found by ward and kind, and is revoked by typing its name", async () => {
  await part("3", "Thiết bị");
  await page.keyboard.press("n");
  await dialog().locator("input[name=id]").fill("kiosk-27031-1");
  await dialog().locator("input[name=ward]").fill("27031");
  await dialog().getByRole("button", { name: "Cấp khóa" }).click();
  await dialog().locator("svg.qr path").waitFor();
  await barriers(page, "secret once");
  await page.keyboard.press("Escape");
  const [ward, kind] = [page.locator(".filters select").nth(0), page.locator(".filters select").nth(1)];
  await ward.selectOption("27031");
  await kind.selectOption("button");
  await page.getByText("Không có thiết bị nào.").waitFor();
  await kind.selectOption("");
  const row = page.getByRole("row", { name: /kiosk-27031-1/ });
  await row.getByRole("button", { name: "Thu hồi" }).click();
  const sure = dialog().getByRole("button", { name: "Thu hồi" });
  assert.ok(await sure.isDisabled());
  await dialog().locator("input").first().fill("kiosk-27031-2");
  assert.ok(await sure.isDisabled());
  await dialog().locator("input").first().fill("kiosk-27031-1");
  await barriers(page, "revoke");
  await sure.click();
  await until("it is out of the list", async () => (await row.count()) === 0);
});

const square = (code, name, west) => ({ type: "Feature", properties: { code, name }, geometry: { type: "Polygon", coordinates: [[[west, 10.76], [west + 0.04, 10.76], [west + 0.04, 10.8], [west, 10.8], [west, 10.76]]] } });
const file = (name, ...features) => ({ name, mimeType: "application/geo+json", buffer: Buffer.from(JSON.stringify({ type: "FeatureCollection", features })) });

test("a file of boundaries says what it changes, names the feature that is wrong, and keeps the other wards", async () => {
  await part("4", "Địa bàn");
  const input = page.locator("input[type=file]");
  const wrong = square("2703", "Tân Phú", 106.62);
  await input.setInputFiles(file("sai.geojson", square("26704", "Phú Mỹ", 106.7), wrong));
  await page.getByRole("alert").getByText(/feature 2.*no ward code of five digits/).waitFor();
  await barriers(page, "a wrong file");
  await input.setInputFiles(file("phumy.geojson", square("26704", "Phú Mỹ", 106.7)));
  await dialog().getByText("Được vẽ lần đầu (1)").waitFor();
  await dialog().getByRole("button", { name: "Nhập" }).click();
  await page.getByText("Đã nhập 1 phường").waitFor();
  await input.setInputFiles(file("tanphu.geojson", square("27031", "Tân Phú", 106.62)));
  await dialog().getByText("Được vẽ lần đầu (1)").waitFor();
  assert.equal(await dialog().getByText(/MẤT ranh giới/).count(), 0);
  await dialog().getByRole("checkbox").uncheck();
  await dialog().getByText("MẤT ranh giới (1)").waitFor();
  await barriers(page, "preview");
  await shot(page, "preview-dark");
  await dialog().getByRole("checkbox").check();
  await until("it is kept again", async () => (await dialog().getByText(/MẤT ranh giới/).count()) === 0);
  await dialog().getByRole("button", { name: "Nhập" }).click();
  await page.getByText(/2 có ranh giới/).waitFor();
});

test("rules are checked with the field named, compared, and activated; the version before stays readable", async () => {
  await part("5", "Quy tắc");
  await page.getByText("Quy tắc mẫu có sẵn").waitFor();
  await barriers(page, "rules");
  await page.keyboard.press("n");
  const text = dialog().locator("textarea");
  const rules = JSON.parse(await text.inputValue());
  rules.categories.fire.priority = "P9";
  await text.fill(JSON.stringify(rules));
  await dialog().getByRole("button", { name: "Kiểm tra" }).click();
  await dialog().getByRole("alert").getByText(/categories\.fire\.priority|fire.*priority/).waitFor();
  rules.categories.fire.priority = "P1";
  rules.categories.fire.departments = ["PC07", "PK02"];
  await text.fill(JSON.stringify(rules));
  await dialog().getByRole("button", { name: "Kiểm tra" }).click();
  await dialog().getByTestId("checked").getByText(/PC07 → PC07, PK02/).waitFor();
  await barriers(page, "rules checked");
  await shot(page, "rules-edit-dark");
  await dialog().getByRole("button", { name: "Áp dụng phiên bản 1" }).click();
  await page.getByText(/Phiên bản 1, từ .* do administrator nhập/).waitFor();
  await page.getByRole("row", { name: /Có sẵn trong chương trình/ }).getByRole("button", { name: "Xem" }).click();
  await dialog().getByText("Hình sự").waitFor();
  await page.keyboard.press("Escape");
});

test("who did what stands in the list of changes, with the reason", async () => {
  await part("6", "Nhật ký quản trị");
  const list = page.getByRole("table", { name: "Nhật ký quản trị" });
  for (const what of ["Cấp mã đăng ký cho station/27031", "Lý do: chuyển công tác", "Thu hồi thiết bị kiosk-27031-1", "Quy tắc phiên bản 1", "Ranh giới phường"]) await list.getByText(what).first().waitFor();
  await list.getByRole("row").nth(1).getByText("administrator").waitFor();
  await barriers(page, "changes");
});

test("an auditor reads all of it and finds nothing to change it with; nobody else sees anything", async () => {
  const auditor = await logIn(of("auditor"));
  await auditor.getByText("Chỉ xem").waitFor();
  for (const [key, name] of [["1", "Trạm và máy chủ"], ["2", "Cán bộ"], ["3", "Thiết bị"], ["4", "Địa bàn"], ["5", "Quy tắc"], ["6", "Nhật ký quản trị"]]) {
    await part(key, name, auditor);
    const buttons = await auditor.locator("main button").allInnerTexts();
    assert.deepEqual(buttons.filter((b) => !/^(Xem|Đọc lại|Cũ hơn)$/.test(b)), [], name);
    await auditor.keyboard.press("n");
    assert.equal(await dialog(auditor).count(), 0);
  }
  assert.deepEqual(auditor.errors, []);
  await auditor.context().close();
  const asked = [];
  const chief = await logIn(of("command_officer"));
  chief.on("request", (r) => asked.push(new URL(r.url()).pathname));
  await chief.getByRole("alert").getByText("Trang quản trị chỉ dành cho quản trị viên").waitFor();
  assert.equal(await chief.getByRole("table").count(), 0);
  await barriers(chief, "not for you");
  await chief.reload();
  await chief.getByRole("alert").waitFor();
  assert.deepEqual(asked.filter((p) => p.startsWith("/api/") && p !== "/api/v1/me"), []);
  await chief.context().close();
});

test("every part holds without a barrier in light, in English, and on a telephone", async () => {
  const phone = await logIn(of("administrator"), undefined, { width: 390, height: 844 });
  for (const p of [page, phone]) {
    for (const theme of ["dark", "light"]) {
      await p.evaluate((t) => localStorage.setItem("theme", t), theme);
      await p.reload();
      for (const name of ["stations", "officers", "devices", "wards", "rules", "changes"]) {
        await p.evaluate((h) => (location.hash = h), name);
        await p.locator("main").locator("table, .empty").first().waitFor();
        await barriers(p, `${name} ${theme}`);
        const wide = await p.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} is ${wide} pixels wider than the screen`);
        await shot(p, `${name}-${theme}-${p === phone ? 390 : 1920}`);
      }
    }
  }
  await page.evaluate(() => localStorage.setItem("lang", "en"));
  await page.reload();
  await page.getByRole("heading", { name: "Administration" }).waitFor();
  await page.evaluate(() => { localStorage.removeItem("lang"); localStorage.removeItem("theme"); });
  await phone.context().close();
});
