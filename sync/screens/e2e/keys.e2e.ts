// Keys at the moment at which a dialog closes: a fast hand loses none, and none counts twice.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { open as launch } from "./browser.mjs";
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
