// Reloads, drops, restarts: nothing is lost.

import assert from "node:assert/strict";
import { problem, TEXT } from "../fake-gateway.mjs";
import { answers, ask, notice, scenario, text, until, whole } from "../harness.mjs";

const some = (page, length = 12) => until(async () => (await text(page).catch(() => "")).length > length, "some text");
const lastId = (requests) => requests.at(-1).query.get("starting_after");

scenario("a reload in mid-answer resumes and completes it", async ({ page, app, fake, shot }) => {
  fake.next({ interval: 120 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await some(page);
  await page.reload();
  await whole(page, TEXT);
  assert.equal(fake.asked().length, 1);
  assert.equal(fake.stops.length, 0);
  await shot("completed");
  // What is whole is not asked for again.
  const before = fake.requests.length;
  await page.reload();
  await whole(page, TEXT);
  assert.equal(fake.requests.length, before);
});

scenario("a tab that was closed finds its answer when it is opened again", async ({ page, context, app, fake }) => {
  fake.next({ interval: 60 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await some(page);
  const address = page.url();
  await page.close();
  await new Promise((done) => setTimeout(done, 2500));
  const again = await context.newPage();
  await again.goto(address);
  await whole(again, TEXT);
  assert.equal(fake.asked().length, 1);
});

scenario("a cut in mid-answer goes on where it broke, without flicker", async ({ page, app, fake, shot }) => {
  fake.next({ interval: 100, cutAfter: 6 });
  await page.goto(app.url);
  // Every state that a reader could see.
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const now = document.querySelector('[data-testid="text"]')?.innerText ?? "";
      if (now !== window.seen.at(-1)) window.seen.push(now);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await ask(page, "Tell me");
  await page.getByText("Connection lost, answer continues on the server.").waitFor();
  await shot("reconnecting");
  await whole(page, TEXT);
  const seen = await page.evaluate(() => window.seen);
  for (let n = 1; n < seen.length; n++) assert.ok(seen[n].startsWith(seen[n - 1]), `"${seen[n - 1]}" became "${seen[n]}"`);
  assert.equal(fake.asked().length, 1);
  assert.ok(Number(lastId(fake.requests)) >= 6, "only the tail was asked for");
  assert.equal(await page.getByText("Connection lost").count(), 0);
});

scenario("offline in mid-answer, and back", async ({ page, context, app, fake, shot }) => {
  fake.next({ interval: 150 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await some(page);
  await context.setOffline(true);
  // A tab's own network dies with it; the emulation leaves open connections alone.
  fake.cut();
  await page.getByText("You are offline. The answer goes on at the server").waitFor();
  const before = fake.requests.length;
  await shot("offline");
  await page.waitForTimeout(2500);
  assert.equal(fake.requests.length, before, "no request while offline");
  await context.setOffline(false);
  await whole(page, TEXT);
  assert.equal(await page.getByText("You are offline").count(), 0);
  assert.equal(fake.asked().length, 1);
});

scenario("a gateway that is away for seconds is waited for", async ({ page, app, fake }) => {
  fake.next({ interval: 100 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await some(page);
  fake.away(2500);
  await page.getByText("Connection lost, answer continues on the server.").waitFor();
  await page.getByRole("button", { name: "Reconnect now" }).waitFor();
  await whole(page, TEXT);
  assert.equal(fake.asked().length, 1);
});

scenario("a rest that is gone is said, and the same answer can be asked for", async ({ page, app, fake, shot }) => {
  fake.next({ interval: 120 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await some(page);
  fake.forget();
  fake.cut();
  await notice(page).waitFor();
  assert.match(await notice(page).innerText(), /not there any more\. What was written is kept\./);
  assert.ok((await text(page)).length > 12);
  await shot("gone");
});

scenario("a question that was left before its answer came is answered after the reload", async ({ page, app, fake }) => {
  fake.next({ wait: 2500, interval: 30 });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await until(() => fake.asked().length === 1, "the request");
  await page.reload();
  await whole(page, TEXT);
  assert.equal(fake.asked().length, 1);
  assert.equal(await answers(page).count(), 1);
});

scenario("half an answer never looks whole, not even after a reload", async ({ page, app, fake }) => {
  fake.next({ error: problem("stream_deadline", "Late.", "permanent") });
  await page.goto(app.url);
  await ask(page, "Tell me");
  await notice(page).waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Continue from here" }).waitFor();
  assert.equal(await text(page), "A gateway stands between");
  assert.equal(fake.requests.filter(({ path }) => path.startsWith("/api/chat")).length, 1);
});

scenario("a question asked offline is sent when the network is back, once", async ({ page, context, app, fake, shot }) => {
  await page.goto(app.url);
  await context.setOffline(true);
  await page.getByText("You are offline. You can go on writing.").waitFor();
  await ask(page, "Tell me");
  await page.getByText("Your question is sent when you are back.").waitFor();
  await page.waitForTimeout(1500);
  await shot("waiting");
  await context.setOffline(false);
  await whole(page, TEXT);
  assert.equal(fake.asked().length, 1);
});
