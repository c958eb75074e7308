// An exercise in a real browser against a whole city: marked everywhere, rung where it was
// joined, made real with one key, ended with one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, city, officer, open, until } from "./browser.mjs";

let browser, chief, ward;
const shots = process.env.SHOTS;
const shot = async (p, name) => shots && p.screenshot({ path: `${shots}/${name}.png` });
const say = async (text, exercise, category = "fire") => {
  const d = city.devices.find((x) => x.kind === "app");
  const id = crypto.randomUUID();
  const r = await fetch(city.command.url + "/api/v1/reports", { method: "POST", headers: { "Content-Type": "application/json", Authorization: "Basic " + btoa(`${d.id}:${d.password}`) },
    body: JSON.stringify({ id, category, text, ...(exercise ? { exercise } : {}) }) });
  assert.equal(r.status, 201);
  return id;
};
async function logIn(base, role) {
  const p = await (await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN", reducedMotion: "reduce" })).newPage();
  const o = city.officers.find((x) => x.role === role);
  await p.addInitScript((user) => sessionStorage.setItem("shift", user), o.user); // the shift has begun
  await p.goto(base);
  await p.locator("input[name=user]").fill(o.user);
  await p.locator("input[name=password]").fill(o.password);
  await p.locator("button.main").click();
  await p.locator(".queue").waitFor();
  return p;
}
before(async () => {
  browser = await open();
  chief = await logIn(city.command.url + "/command/", "command_officer");
  ward = await logIn(city.stations[0].url + "/desk/", "ward_officer");
});
after(() => browser?.close());

let drill;
test("the command centre makes an exercise; every desk is told and may join", async () => {
  await chief.getByRole("button", { name: "Diễn tập", exact: true }).click();
  await barriers(chief, "make an exercise");
  await chief.locator("input[name=name]").fill("Diễn tập PCCC quý IV");
  await chief.getByRole("button", { name: "Bắt đầu" }).click();
  await chief.getByTestId("exercise").getByText("Diễn tập PCCC quý IV").waitFor();
  await chief.getByText("Bàn này đang tham gia").waitFor();
  const ask = await officer("command_officer");
  drill = (await ask("/api/v1/exercises")).items[0].id;
  await ward.getByTestId("exercise").getByText("Bàn này không tham gia").waitFor({ timeout: 60_000 });
});

test("its reports are marked in the list and the case, stand behind what is real, and have no deadline", async () => {
  await say("khói giả ở tầng 5", drill);
  await say("hàng xóm cãi nhau", undefined, "security");
  const line = ward.locator(".line.practice", { hasText: "khói giả ở tầng 5" });
  await line.getByText("DIỄN TẬP").waitFor({ timeout: 60_000 });
  await until("the real one stands first, although it has less hurry", async () => (await ward.locator(".line").first().innerText()).includes("hàng xóm cãi nhau"));
  assert.equal(await ward.locator(".line.practice.alone").count(), 0); // a desk that has not joined: nothing flashes
  await line.locator(".pick").click();
  await ward.getByTestId("practice").getByText("DIỄN TẬP: Diễn tập PCCC quý IV").waitFor();
  await barriers(ward, "practice at the desk");
  await shot(ward, "exercise-desk-dark");
  await ward.getByRole("button", { name: "Tham gia diễn tập" }).click();
  await ward.locator(".line.practice.alone").waitFor();
});

test("the command centre does not count it, and its wall says what it is", async () => {
  await chief.locator(".line.practice", { hasText: "khói giả" }).waitFor();
  await shot(chief, "exercise-command-dark");
  await chief.goto(city.command.url + "/command/#wall");
  await chief.locator(".wall .line.practice").getByText("DIỄN TẬP").waitFor();
  assert.equal(await chief.locator(".wall .big li").first().locator("b").last().innerText(), "0"); // no real P1
  await barriers(chief, "wall");
  await chief.goto(city.command.url + "/command/#");
  await chief.locator(".line.practice").first().waitFor();
});

test("a warning of it must be said to be one, carries its name, and reaches no citizen", async () => {
  await chief.getByRole("button", { name: "Cảnh báo", exact: true }).click();
  await chief.getByTestId("warnings").getByRole("button", { name: "Phát cảnh báo" }).click();
  await chief.locator("input[name=event-vi]").fill("Sơ tán");
  await chief.locator("input[name=headline-vi]").fill("Rời tòa nhà theo lối A");
  await chief.locator("input[name=headline-en]").fill("Leave by exit A");
  await chief.locator("input[name=event-en]").fill("Evacuation");
  const wards = (await (await officer("command_officer"))("/api/v1/wards")).features;
  const own = wards.find((f) => f.id === city.stations[0].ward).properties.name;
  await chief.getByLabel("Tìm phường").fill(own);
  await chief.locator(".wardpick label", { hasText: own }).first().click();
  await chief.getByRole("button", { name: "Xem trước" }).click();
  await chief.getByText("hãy chọn cảnh báo này là thật hay diễn tập").waitFor(); // this desk takes part: neither is meant by itself
  await chief.getByLabel("Diễn tập: Diễn tập PCCC quý IV").check();
  await barriers(chief, "a warning of an exercise");
  await shot(chief, "exercise-warning-dark");
  await chief.getByRole("button", { name: "Xem trước" }).click();
  await chief.getByTestId("preview").getByText("DIỄN TẬP: Diễn tập PCCC quý IV").waitFor();
  await chief.getByRole("button", { name: "Phát ngay" }).click();
  await chief.getByTestId("warning").getByText("DIỄN TẬP: Diễn tập PCCC quý IV").waitFor();
  const ask = await officer("command_officer");
  const [sent] = (await ask("/api/v1/broadcasts")).items;
  assert.equal(sent.alert.status, "Exercise");
  const xml = await (await fetch(`${city.command.url}/api/v1/alerts/${sent.id}.cap`)).text();
  assert.match(xml, /not-found/); // nobody outside reads it
  assert.equal((await (await fetch(`${city.command.url}/api/v1/alerts`)).json()).items.length, 0);
  assert.ok(sent.alert.note.startsWith(`Diễn tập PCCC quý IV (${drill})`), sent.alert.note);
  assert.equal(sent.alert.info[0].headline, "DIỄN TẬP – Rời tòa nhà theo lối A");
  assert.equal(sent.alert.info[1].headline, "EXERCISE – Leave by exit A");
  await ward.getByTestId("warning-banner").getByText("DIỄN TẬP: Diễn tập PCCC quý IV").waitFor({ timeout: 60_000 });
  await barriers(ward, "a warning of an exercise at the desk");
});

test("a real call among them becomes real with one key, and cannot be undone", async () => {
  await say("cháy thật ở tầng 2", drill);
  const line = ward.locator(".line", { hasText: "cháy thật ở tầng 2" });
  await line.locator(".pick").click({ timeout: 60_000 });
  await ward.getByTestId("practice").waitFor();
  await ward.keyboard.press("0");
  await ward.getByText(/đã xác định là tin thật/).waitFor();
  await until("it is no practice any more", async () => (await ward.getByTestId("practice").count()) === 0 && (await ward.locator(".line.practice", { hasText: "cháy thật" }).count()) === 0);
  assert.equal(await ward.locator(".undo .btn").count(), 0);
  await chief.locator(".line:not(.practice)", { hasText: "cháy thật ở tầng 2" }).waitFor({ timeout: 60_000 });
});

test("the citizen's page says that it is practice, marks what it sends, and drops the mark with one press", async () => {
  const phone = await (await browser.newContext({ viewport: { width: 390, height: 844 }, locale: "vi-VN" })).newPage();
  await phone.goto(`${city.command.url}/citizen/?exercise=${drill}`);
  await phone.getByTestId("practice").getByText("ĐANG DIỄN TẬP").waitFor();
  await barriers(phone, "citizen in an exercise");
  await shot(phone, "exercise-citizen-390");
  await phone.getByRole("button", { name: "Có việc thật: bỏ dấu diễn tập" }).click();
  await phone.getByTestId("practice").waitFor({ state: "detached" });
  assert.equal(new URL(phone.url()).search, "");
  await phone.context().close();
});

test("one key ends it, closes what is left, and leaves the real one open", async () => {
  await until("the banner is back", async () => (await chief.getByTestId("exercise").count()) === 1);
  await chief.keyboard.press("9");
  await chief.getByText("Đã kết thúc; 1 tin diễn tập còn lại được đóng cùng lúc.").waitFor({ timeout: 60_000 });
  await until("no practice is left at the ward", async () => (await ward.locator(".line.practice:not(.gone)").count()) === 0);
  await ward.locator(".line", { hasText: "cháy thật ở tầng 2" }).waitFor();
  await until("the ward's banner goes", async () => (await ward.getByTestId("exercise").count()) === 0);
});
