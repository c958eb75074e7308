// Keys at the moment at which a dialog closes: a fast hand loses none, and none counts twice.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Incident } from "../src/lib/api";
import { open as launch, violations } from "./browser.mjs";
import { context, open } from "./desks";
import { FakeNode, ward } from "./fake";

let browser: Browser, node: FakeNode;
const faults: string[] = [];
beforeAll(async () => {
  browser = await launch();
  node = await FakeNode.start();
  node.officer = { user: "lan", role: "ward_officer", unit: `ward/${ward}` };
});
afterAll(async () => {
  await browser?.close();
  await node?.stop();
  expect(faults, "faults of scripts or of the policy").toEqual([]);
});

/** A desk at which the shift has begun, with the incident that its officer holds chosen. */
async function held(): Promise<Page> {
  const c = await context(browser);
  await c.addInitScript(() => sessionStorage.setItem("shift", "lan"));
  const p = await open(c, `${node.url}/desk/`, faults);
  await p.locator(".line", { hasText: "ngất ở chợ" }).locator("button").click();
  await p.locator(".checklist input:enabled").first().waitFor();
  return p;
}

test("a key in the frame in which a dialog closes reaches the list, and the next one the dialog that it opened", async () => {
  const p = await held();
  const asked = await p.evaluate(async () => {
    const press = (on: EventTarget, key: string): boolean => on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    // The screen follows in the same task, long before it draws anything.
    const until = async (f: () => unknown): Promise<void> => {
      for (let i = 0; i < 50 && !f(); i++) await Promise.resolve();
    };
    const dialog = (): HTMLDialogElement | null => document.querySelector("dialog[open]");
    press(document.body, "v");
    await until(dialog);
    press(document.activeElement!, "3");
    const answer = dialog()?.querySelector<HTMLInputElement>("input[value=false]");
    await until(() => answer?.checked);
    const answered = answer?.checked;
    dialog()?.dispatchEvent(new Event("cancel", { cancelable: true }));
    await until(() => !dialog());
    press(document.body, "?");
    await until(dialog);
    return { answered, then: dialog()?.querySelector("h2")?.textContent };
  });
  expect(asked).toEqual({ answered: true, then: "Phím tắt" });
  await p.context().close();
});

test("the key that answers the last question of a dialog does nothing to the list behind it", async () => {
  const p = await held();
  const acts: string[] = [];
  p.on("request", (r) => r.method() === "POST" && r.url().endsWith("/actions") && acts.push((r.postDataJSON() as { reason: string }).reason));
  for (const key of ["c", "1", "2"]) await p.keyboard.press(key); // 2 is also the second item of the checklist
  await p.locator("dialog[open]").waitFor({ state: "detached" });
  await p.keyboard.press("1");
  await expect.poll(() => acts).toEqual(["call:no_answer", "check:called_115"]);
  await p.context().close();
});

/** A desk with the unclaimed fire in its queue, whose server answers reads and actions when it is told to. */
async function slow(): Promise<{ p: Page; acts: string[]; answer: (status?: number) => void; read: () => void }> {
  const c = await context(browser);
  await c.addInitScript(() => sessionStorage.setItem("shift", "lan"));
  const p = await open(c, `${node.url}/desk/`, faults);
  await p.locator(".line", { hasText: "Cháy ở tầng 5" }).waitFor();
  await p.keyboard.press("x"); // wakes the bell
  const acts: string[] = [];
  let answer: (status?: number) => void = () => undefined, read: () => void = () => undefined;
  let holder: string | undefined;
  const may = new Promise<void>((done) => (read = done));
  await p.route("**/api/v1/incidents/*", async (route) => {
    const r = await route.fetch();
    const i = (await r.json()) as Incident;
    await may;
    if (holder) i.units[0] = { ...i.units[0]!, holder: { officer: holder, by: { entry: i.id, name: holder, origin: "x", at: i.deadlines[0]!.at, clock_sure: true } } };
    await route.fulfill({ json: i });
  });
  await p.route("**/actions", async (route) => {
    const a = route.request().postDataJSON() as { action: string; reason?: string };
    acts.push([a.action, a.reason].filter(Boolean).join(" "));
    const status = await new Promise<number>((done) => (answer = (s = 200) => done(s)));
    if (a.action === "claim") holder = status === 200 ? "lan" : "minh";
    const id = route.request().url().split("/").at(-2)!;
    await route.fulfill({ status, json: status === 200 ? { id, incident: id, action: a.action, entry: id, origin: "x", seq: 1, at: "", status: "claimed", version: "v2" } : { type: "/problems/held", code: "held", title: "Conflict", status, detail: "", holder: { officer: "minh" } } });
  });
  return { p, acts, answer: (s) => answer(s), read: () => read() };
}
/** A machine with much else to do answers late. */
const long = { timeout: 15_000 };
const waits = (p: Page) => p.getByTestId("early").locator("kbd").allInnerTexts();

test("keys pressed before the case is read and before the claim is answered wait in order, are seen, and are then done", async () => {
  const { p, acts, answer, read } = await slow();
  for (const key of ["j", "j", "a", "v", "1", "2", "Enter"]) await p.keyboard.press(key);
  expect(await waits(p)).toEqual(["A", "V", "1", "2", "Enter"]);
  expect(acts).toEqual([]);
  read();
  await expect.poll(() => acts, long).toEqual(["claim"]);
  await expect.poll(() => waits(p), long).toEqual(["V", "1", "2", "Enter"]);
  expect(await violations(p)).toEqual([]);
  answer();
  await expect.poll(() => acts, long).toEqual(["claim", "verify true:seen"]);
  expect(await waits(p)).toEqual([]);
  expect(await p.locator("dialog[open]").count()).toBe(0);
  await p.context().close();
});

test("when the claim is lost the keys behind it are dropped, that is said, and Enter on its way does nothing", async () => {
  const { p, acts, answer, read } = await slow();
  read();
  for (const key of ["j", "j"]) await p.keyboard.press(key);
  await p.locator(".actions .btn.main:enabled").waitFor();
  for (const key of ["a", "v", "1"]) await p.keyboard.press(key);
  await expect.poll(() => waits(p), long).toEqual(["V", "1"]);
  answer(409);
  await p.getByTestId("dropped").getByText("minh đang giữ vụ này").waitFor();
  expect(await p.locator("dialog kbd").allInnerTexts()).toEqual(["V", "1", "Esc"]);
  for (const key of ["1", "Enter"]) await p.keyboard.press(key);
  expect(await p.getByTestId("dropped").count()).toBe(1);
  expect(await violations(p)).toEqual([]);
  await p.keyboard.press("Escape");
  await p.locator("dialog[open]").waitFor({ state: "detached" });
  expect(acts).toEqual(["claim"]);
  await p.context().close();
});

test.each([["/desk/", 1920], ["/desk/", 1366], ["/command/", 1920]] as const)("what can be taken back for ten seconds covers nothing and moves nothing: %s at %d", async (path, width) => {
  node.officer = path === "/desk/" ? { user: "lan", role: "ward_officer", unit: `ward/${ward}` } : { user: "hoa", role: "command_officer", unit: "command" };
  const c = await context(browser, { width });
  await c.addInitScript(() => sessionStorage.setItem("shift", "lan"));
  const p = await open(c, node.url + path, faults);
  await p.locator(".line", { hasText: "Cháy ở tầng 5" }).locator("button").click();
  await p.locator(".actions .btn.main:enabled").waitFor();
  await p.locator(".banner.bell").waitFor({ state: "detached" }); // the press woke the bell
  const boxes = () => p.evaluate(() => [...document.querySelectorAll(".panel, .top > :not(.undo), .banners > *")].map((e) => {
    const { x, y, right, bottom } = e.getBoundingClientRect();
    return { what: e.className, x, y, right, bottom };
  }));
  const before = await boxes();
  await p.keyboard.press("a");
  const undo = p.locator(".undo .btn");
  await undo.waitFor();
  expect(await boxes()).toEqual(before);
  const u = (await undo.boundingBox())!;
  expect(before.filter((b) => u.x < b.right && b.x < u.x + u.width && u.y < b.bottom && b.y < u.y + u.height)).toEqual([]);
  node.officer = { user: "lan", role: "ward_officer", unit: `ward/${ward}` };
  await c.close();
});
