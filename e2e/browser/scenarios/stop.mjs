// Stop, Retry and Regenerate: three different things.

import assert from "node:assert/strict";
import { problem, TEXT } from "../fake-gateway.mjs";
import { answers, ask, notice, question, scenario, text, until, whole } from "../harness.mjs";

for (const how of ["button", "Escape"]) {
  scenario(`stop by ${how} is a stop at the server and keeps what was written`, async ({ page, app, fake, shot }) => {
    fake.next({ interval: 120 });
    await page.goto(app.url);
    await ask(page, "Write much");
    await until(async () => (await text(page).catch(() => "")).length > 20, "some text");
    if (how === "button") await page.getByRole("button", { name: "Stop" }).click();
    else await page.keyboard.press("Escape");
    await page.getByText(/^Stopped · \$0\.00\d\d$/).waitFor();
    assert.equal(fake.stops.length, 1);
    const kept = await text(page);
    assert.ok(kept.length > 20 && kept.length < TEXT.length && TEXT.startsWith(kept), kept);
    assert.ok(await question(page).evaluate((input) => input === document.activeElement), "the input has the focus");
    await shot("stopped");
    await page.reload();
    await page.getByText(/^Stopped · \$0\.00\d\d$/).waitFor();
    assert.equal(await text(page), kept);
    assert.equal(fake.asked().length, 1);
  });
}

scenario("a stop without a network stops here at once, and at the server later", async ({ page, context, app, fake }) => {
  fake.next({ interval: 300 });
  await page.goto(app.url);
  await ask(page, "Write much");
  await until(async () => (await text(page).catch(() => "")).length > 10, "some text");
  await context.setOffline(true);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".stopped").waitFor({ timeout: 5000 });
  assert.equal(fake.stops.length, 0);
  await context.setOffline(false);
  await until(() => fake.stops.length === 1, "the stop at the server");
});

scenario("retry is the same generation, regenerate a new one", async ({ page, app, fake, shot }) => {
  fake.next({ error: problem("internal", "Boom.", "permanent") });
  await page.goto(app.url);
  await ask(page, "Try me");
  await notice(page).waitFor();
  assert.equal(await text(page), TEXT.split(/(?= )/).slice(0, 4).join(""));
  await shot("failed");
  await page.getByRole("button", { name: "Retry" }).click();
  await until(() => fake.asked().length === 2, "a second request");
  await notice(page).waitFor();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await whole(page, TEXT);
  const [first, retry, again] = fake.asked();
  assert.equal(retry.headers["idempotency-key"], first.headers["idempotency-key"]);
  assert.equal(retry.body, first.body);
  assert.notEqual(again.headers["idempotency-key"], first.headers["idempotency-key"]);
  assert.deepEqual([first, retry, again].map(({ headers }) => headers["x-haltline-cache"]), [undefined, undefined, "off"]);
  // Of a whole answer only a new one can be asked.
  assert.equal(await page.getByRole("button", { name: "Retry" }).count(), 0);
  await page.getByRole("button", { name: "Regenerate" }).click();
  await until(() => fake.asked().length === 4, "a fourth request");
  await whole(page, TEXT);
  assert.equal(await answers(page).count(), 1);
});
