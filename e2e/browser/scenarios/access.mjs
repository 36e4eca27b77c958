// For everybody: roles, names, keyboard, contrast, motion, small screens.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { problem, TEXT } from "../fake-gateway.mjs";
import { answers, ask, notice, progress, question, scenario, until, whole } from "../harness.mjs";

const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

async function check(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}: ${nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], `axe: ${where}`);
}

for (const colorScheme of ["light", "dark"]) {
  scenario(`axe finds nothing in ${colorScheme}, in any state`, async ({ page, app, fake, shot }) => {
    fake.next({ wait: 1500, headers: { "x-haltline-cache": "hit", age: "30" } }, { error: problem("stream_deadline", "Late.", "permanent") },
      { status: 402, body: problem("budget_exceeded", "Up.", "user_actionable", { budget: "user-day", resets_at: new Date(Date.now() + 3_600_000).toISOString() }) });
    await page.goto(app.url);
    await question(page).waitFor();
    await check(page, "welcome");
    await ask(page, "Hello");
    await progress(page).waitFor();
    await check(page, "thinking");
    await whole(page, TEXT);
    await check(page, "answered");
    await ask(page, "Longer");
    await notice(page).waitFor();
    await check(page, "cut short");
    await shot("notice");
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByText("You've reached today's AI limit").waitFor();
    await check(page, "used up");
    await shot("budget");
  }, { context: { colorScheme, reducedMotion: "reduce" } });
}

scenario("roles and names tell the page without seeing it", async ({ page, app, fake }) => {
  fake.next({ wait: 1000, interval: 60 });
  await page.goto(app.url);
  await ask(page, "Hello");
  const log = page.getByRole("log", { name: "Conversation" });
  await log.waitFor();
  assert.equal(await log.getAttribute("aria-live"), "polite");
  assert.ok((await page.getByRole("status").allInnerTexts()).some((said) => said.includes("Thinking")));
  await answers(page).first().waitFor();
  assert.equal(await answers(page).first().getAttribute("aria-busy"), "true");
  await whole(page, TEXT);
  await until(async () => (await page.getByRole("status").allInnerTexts()).some((said) => said.includes("The answer is complete")), "a word at the end");
  const tree = await page.locator("body").ariaSnapshot();
  for (const line of [
    '- link "Skip to the input"', '- navigation "Chats"', '- button "New chat"', "- main:", '- log "Conversation"', '- article "You said"', '- article "Answer"',
    '- button "Copy answer"', '- button "Regenerate"', '- textbox "Your message"', '- button "Send"',
  ]) assert.ok(tree.includes(line), `${line} is missing in\n${tree}`);
});

scenario("everything can be done with the keyboard alone", async ({ page, app, fake, shot }) => {
  fake.next({}, { interval: 200 }, {});
  await page.goto(app.url);
  await question(page).waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? "");
  assert.ok(await question(page).evaluate((input) => input === document.activeElement), "the input has the focus at once");
  await page.keyboard.type("First line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await whole(page, TEXT);
  assert.equal(await page.getByRole("article", { name: "You said" }).innerText(), "First line\nsecond line");
  await page.keyboard.type("Again");
  await page.keyboard.press("Enter");
  await until(async () => (await answers(page).count()) === 2, "a second answer");
  await page.keyboard.press("Escape");
  await page.locator(".stopped").waitFor();
  // Back through the page to Regenerate.
  let reached = false;
  for (let n = 0; n < 30 && !reached; n++) {
    await page.keyboard.press("Shift+Tab");
    reached = (await focused()) === "Regenerate";
  }
  assert.ok(reached, "Regenerate is reached by the keyboard");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await shot("focus");
  await page.keyboard.press("Enter");
  await whole(page, TEXT);
  // From the top: the first stop leads to the input.
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Tab");
  for (let n = 0; n < 40 && (await focused()) !== "Skip to the input"; n++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await until(() => question(page).evaluate((input) => input === document.activeElement), "the skip link leads to the input");
});

scenario("dark, and with calm motion", async ({ page, app, fake, shot }) => {
  fake.next({}, { wait: 1200 });
  await page.goto(app.url);
  await question(page).waitFor();
  await shot("welcome");
  await ask(page, "What is a gateway?");
  await whole(page, TEXT);
  await ask(page, "And at night?");
  await page.waitForTimeout(400);
  assert.equal(await page.locator(".pulse").evaluate((dot) => getComputedStyle(dot).animationName), "none");
  await shot("thinking");
  await whole(page, TEXT);
  await shot("done");
}, { context: { colorScheme: "dark", reducedMotion: "reduce" } });

scenario("a phone", async ({ page, app, fake, shot }) => {
  fake.next({}, { interval: 100 }, { status: 402, body: problem("budget_exceeded", "Up.", "user_actionable", { budget: "user-day", resets_at: new Date(Date.now() + 3_600_000).toISOString() }) });
  await page.goto(app.url);
  await question(page).waitFor();
  await shot("welcome");
  await ask(page, "What is a gateway?");
  await whole(page, TEXT);
  await ask(page, "And a longer question, that has to wrap on a small screen?");
  await page.waitForTimeout(700);
  await shot("writing");
  await whole(page, TEXT);
  const [wide, small] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= small, `the page is ${wide} wide on ${small}`);
  await ask(page, "More?");
  await notice(page).waitFor();
  await shot("budget");
  await page.getByRole("button", { name: "Chats" }).click();
  await page.getByRole("dialog", { name: "Chats" }).waitFor();
  await shot("drawer");
  await page.keyboard.press("Escape");
  await until(async () => !(await page.getByRole("dialog").isVisible()), "Escape closes the drawer");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Chats");
}, { context: { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true } });
