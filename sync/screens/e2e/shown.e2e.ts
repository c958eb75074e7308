// What a screen shows at the sizes at which it stands: who has what elsewhere, targets for fingers, a wall without half a row.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { open as launch, violations } from "./browser.mjs";
import { context, open } from "./desks";
import { crowdOf, FakeNode, ward } from "./fake";

let browser: Browser, node: FakeNode;
const faults: string[] = [];
beforeAll(async () => {
  browser = await launch();
  node = await FakeNode.start();
});
afterAll(async () => {
  await browser?.close();
  await node?.stop();
  expect(faults, "faults of scripts or of the policy").toEqual([]);
});

async function look(path: string, width: number, height: number): Promise<Page> {
  const c = await context(browser, { width, height });
  await c.addInitScript(() => sessionStorage.setItem("shift", "hoa"));
  return open(c, node.url + path, faults);
}
const command = { user: "hoa", role: "command_officer" as const, unit: "command" };

test("the command centre sees who has an incident at the ward, and says that nobody has it here", async () => {
  node.officer = command;
  const p = await look("/command/", 1920, 1080);
  const row = p.locator(".line", { hasText: "ngất ở chợ" });
  await row.getByText("lan · Phường Tân Định").waitFor();
  await row.getByText("Ở ĐÂY CHƯA NHẬN").waitFor();
  await p.locator(".line", { hasText: "Cháy ở tầng 5" }).getByText("CHƯA NHẬN", { exact: true }).waitFor();
  await row.locator("button").click();
  await p.locator("[data-testid=case]").getByText("lan · Phường Tân Định").waitFor();
  // A ward that is not heard: what the city knows of its work is not the present.
  await p.route("**/api/v1/stations", async (route) => {
    const r = await route.fetch();
    const all = (await r.json()) as { items: { connected: boolean }[] };
    await route.fulfill({ json: { ...all, items: all.items.map((s) => ({ ...s, connected: false })) } });
  });
  await row.getByText(/^\? Phường Tân Định · trạm im lặng/).waitFor();
  // One bar, one line: the queue has the height.
  expect((await p.locator(".top").boundingBox())!.height).toBeLessThan(64);
  await p.getByRole("button", { name: "Liên lạc" }).click();
  for (const who of ["Trực ban PC07", "Tổ tuần tra 1"]) await p.locator(".pane").getByText(who).waitFor();
  expect(await violations(p)).toEqual([]);
  await p.context().close();
}, 180_000);

test("what the command centre parked is seen, with when it is back", async () => {
  node.officer = command;
  const [row] = crowdOf(1);
  const p = await look("/command/", 1920, 1080);
  await p.route("**/api/v1/incidents?*", (route) => route.fulfill({ json: { items: [{ ...row, parked_until: "2999-01-01T00:00:00.000Z", told: [{ unit: "command", progress: "seen", holder: "hoa" }], units: ["command"] }], next: null } }));
  await p.reload();
  await p.getByRole("button", { name: "Đang hoãn 1" }).click();
  await p.locator(".pane").getByText("trở lại sau").waitFor();
  await p.context().close();
}, 120_000);

test.each([["#", 1080, 1920, 76], ["#form/fire", 1080, 1920, 76], ["#", 360, 800, 44], ["#form/fire", 360, 800, 44]])("fingers: the citizen's page %s at %d × %d has no target below %d px", async (hash, width, height, least) => {
  node.officer = null;
  const p = await look(`/citizen/?ward=${ward}${hash}`, width, height);
  await p.locator(hash === "#" ? ".tiles button" : "form textarea, .page textarea").first().waitFor();
  const small = await p.evaluate((n) => [...document.querySelectorAll<HTMLElement>("button, a, input, select, textarea")].filter((e) => e.offsetParent && getComputedStyle(e).opacity !== "0")
    .map((e) => ({ what: (e.textContent || e.getAttribute("name") || e.tagName).slice(0, 40), high: (e.closest("label.check") ?? e).getBoundingClientRect().height })).filter((x) => x.high < n - 0.5), least);
  expect(small).toEqual([]);
  expect(await p.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await p.context().close();
}, 120_000);

test.each([[1920, 1080], [3840, 2160]])("a wall of %d × %d shows whole rows, and how many there is no room for", async (width, height) => {
  node.officer = command;
  node.crowd = crowdOf(30);
  const p = await look("/command/#wall", width, height);
  const more = p.locator(".wall .more");
  await more.waitFor({ timeout: 90_000 }); // 8 million points without a graphics card
  const measure = () => p.evaluate(() => {
    const list = document.querySelector(".wall .list")!.getBoundingClientRect();
    return { inside: [...document.querySelectorAll(".wall .list li")].map((e) => e.getBoundingClientRect().bottom <= list.bottom + 1), below: document.querySelector(".wall .more")!.getBoundingClientRect().bottom - innerHeight };
  });
  await expect.poll(async () => (await measure()).inside.every(Boolean), { timeout: 30_000 }).toBe(true);
  const seen = await measure();
  expect(seen.inside.length).toBeGreaterThan(4);
  expect(seen.below).toBeLessThanOrEqual(0);
  expect(await more.innerText()).toBe(`và ${35 - seen.inside.length} vụ nữa`);
  node.crowd = [];
  await p.context().close();
}, 120_000);
