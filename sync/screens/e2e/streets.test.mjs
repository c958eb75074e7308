// Streets under the wards in a real browser: with a file, cut off from the city, without
// the file, and with a broken one. The boundaries stand in every case.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { barriers, city, open, until } from "./browser.mjs";

let browser;
const station = city.stations[0];
const file = join(process.env.CITY_DIR, "streets.pmtiles");
const order = (...a) => execFileSync(process.env.WARDLINE, ["city", "--data", process.env.CITY_DIR, ...a]);

/** A map that somebody looks at: at the ward's own desk or at the command centre. */
async function look(role, url, where, theme = "dark") {
  const c = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: "vi-VN", timezoneId: "Asia/Ho_Chi_Minh" });
  c.setDefaultTimeout(60_000);
  await c.addInitScript((t) => localStorage.setItem("theme", t), theme);
  const p = await c.newPage();
  p.faults = [];
  p.asked = [];
  p.on("pageerror", (e) => p.faults.push(String(e)));
  p.on("console", (m) => { if (m.type() === "error" && !/Failed to load resource/.test(m.text())) p.faults.push(m.text()); });
  p.on("request", (r) => p.asked.push(new URL(r.url()).pathname));
  await p.goto(url);
  const o = city.officers.find((x) => x.role === role);
  await p.locator("input[name=user]").fill(o.user);
  await p.locator("input[name=password]").fill(o.password);
  await p.keyboard.press("Enter");
  await p.locator("[data-testid=stream].live").waitFor();
  await p.locator(where).first().waitFor();
  await p.keyboard.press("Escape"); // the question about the bell
  return p;
}
const atDesk = (theme) => look("ward_officer", station.url + "/desk/", ".mapview .map", theme);
const atCommand = () => look("command_officer", city.command.url + "/command/", ".mapview .map");

/** Points of a canvas that have any colour. */
const painted = (p, what) => p.evaluate((s) => [...document.querySelectorAll(s)].reduce((n, c) => {
  const d = c.width && c.height ? c.getContext("2d").getImageData(0, 0, c.width, c.height).data : [];
  let some = 0;
  for (let i = 3; i < d.length; i += 4) if (d[i]) some++;
  return n + some;
}, 0), what);
const boundaries = (p) => until("the boundaries are drawn", async () => (await painted(p, ".leaflet-overlay-pane canvas")) > 1000);
const done = async (p) => {
  assert.deepEqual(p.faults, []);
  await p.context().close();
};

before(async () => {
  browser = await open();
});
after(() => browser?.close());

test("a file that was named and is missing: the boundaries alone, and a small notice", async () => {
  for (const p of [await atDesk(), await atCommand()]) {
    await boundaries(p);
    await p.getByText("Không đọc được tệp đường phố").waitFor();
    assert.equal(await p.locator(".leaflet-streets-pane").count(), 0);
    assert.ok(!p.asked.some((x) => x.includes("streets")), "what draws streets was loaded for nothing");
    await barriers(p, "without the file");
    await done(p);
  }
});

test("the file comes: streets lie under the boundaries, in both themes, and nobody started anything anew", async () => {
  copyFileSync("../streets/testdata/ward.pmtiles", file);
  const drawn = {};
  for (const [name, p] of [["desk", await atDesk()], ["light", await atDesk("light")], ["command", await atCommand()]]) {
    await boundaries(p);
    await p.locator("canvas[data-street=drawn]").first().waitFor({ state: "attached" });
    await until("streets are drawn", async () => (drawn[name] = await painted(p, "canvas[data-street=drawn]")) > 200);
    assert.equal(await p.getByText("Không đọc được").count(), 0);
    await p.getByRole("note").getByText("Bản đồ thử").waitFor(); // whose they are
    const [under, over] = await p.evaluate(() => ["streets", "overlay"].map((n) => Number(getComputedStyle(document.querySelector(`.leaflet-${n}-pane`)).zIndex)));
    assert.ok(under < over, `streets at ${under}, boundaries at ${over}`);
    await barriers(p, `streets, ${name}`);
    await done(p);
  }
});

test("cut off from the city, the station serves them itself", async () => {
  order("--cut");
  const p = await atDesk();
  await p.locator("canvas[data-street=drawn]").first().waitFor({ state: "attached" });
  await until("streets are drawn", async () => (await painted(p, "canvas[data-street=drawn]")) > 200);
  assert.ok(p.asked.some((x) => x.startsWith("/api/v1/tiles/")));
  await done(p);
  order("--heal");
});

test("a broken file: the boundaries as before, a notice, and everything else works", async () => {
  writeFileSync(file, "this is no map");
  const p = await atDesk();
  await boundaries(p);
  await p.getByText("Không đọc được tệp đường phố").waitFor();
  assert.match(await p.locator(".mapnote").getAttribute("title"), /no PMTiles file/);
  assert.equal(await p.locator("canvas[data-street]").count(), 0);
  await p.keyboard.press("n");
  await p.locator("dialog[open]").waitFor();
  await done(p);
});
