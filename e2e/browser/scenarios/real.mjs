// The same, in front of the real gateway.

import assert from "node:assert/strict";
import { answers, ask, notice, question, scenario, text, until, whole } from "../harness.mjs";
import { LENGTH, SAID } from "../real-gateway.mjs";

const some = (page, length = 30) => until(async () => (await text(page).catch(() => "")).length > length, "some text");
const real = (name, run, options) => scenario(`real: ${name}`, run, { gateway: "real", ...options });

/** Ids of the requests that a page has made, as the gateway names them. */
function requestIds(page) {
  const ids = Object.assign([], { streams: [] });
  page.on("response", (response) => {
    if (response.request().method() !== "POST" || !response.url().endsWith("/api/chat")) return;
    ids.push(response.headers()["x-request-id"]);
    ids.streams.push(response.headers()["x-haltline-stream-id"]);
  });
  return ids;
}

real("an answer, with its tokens and its cost", async ({ page, app, gateway, shot }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  // Looked for in each frame and from before the question: the model thinks for 700 ms, and locators look every 500.
  const thinking = page.waitForFunction(() => /^Thinking… \d\.\d s$/.test(document.querySelector('[data-testid="progress"]')?.innerText ?? ""), null, { timeout: 15_000 });
  await Promise.all([thinking, ask(page, "Hello")]);
  await some(page);
  await shot("writing");
  await whole(page, SAID);
  const facts = /(\d+) tokens · \d+ tokens\/s · [\d.]+ s · \$([\d.]+)/;
  const footer = () => answers(page).last().locator("footer").innerText();
  await until(async () => facts.test(await footer()), "tokens, pace, time and cost");
  const [, tokens, cost] = facts.exec(await footer());
  assert.equal(Number(tokens), LENGTH);
  const { total_cost: charged } = (await gateway.generation(ids[0])).data;
  assert.ok(Math.abs(Number(cost) - Number(charged)) < 0.0001, `shown ${cost}, charged ${charged}`);
  await shot("done");
});

real("a used-up budget: first a smaller model, then the end, and no further", async ({ page, app, shot }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  for (let n = 1; n <= 5; n++) {
    await ask(page, `Question ${n}`);
    // Four in six seconds, says the rate limit: it waits by itself.
    await until(async () => (await answers(page).count()) === n, "an answer", 20_000);
    await whole(page, SAID);
  }
  await page.getByText("Answered by a smaller model (small) in place of chat").first().waitFor();
  await shot("degraded");
  await ask(page, "Question 6");
  await notice(page).waitFor();
  assert.match(await notice(page).getByRole("alert").innerText(), /^You've reached today's AI limit\. It resets at 00:00|It resets at \d\d:\d\d/);
  await question(page).fill("A draft");
  assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
  await shot("used-up");
  assert.ok(ids.length >= 6);
}, { limit: 120_000 });

real("a model that fails says so", async ({ page, app, shot }) => {
  await page.goto(app.url);
  await ask(page, "Hello");
  await notice(page).waitFor({ timeout: 30_000 });
  assert.equal(await notice(page).getByRole("alert").innerText(), "The model is not answering. Try again in about 30 s.");
  assert.match(await notice(page).innerText(), /Reference req_[0-9a-f]{32}/);
  await shot("failed");
}, { gateway: "broken" });

real("a model that stands in for another says so", async ({ page, app, shot }) => {
  await page.goto(app.url);
  await ask(page, "Hello");
  await whole(page, SAID);
  assert.equal(await page.locator(".origin").innerText(), "Answered by second-choice while first-choice recovers");
  await shot("stand-in");
  await page.reload();
  assert.equal(await page.locator(".origin").count(), 1);
}, { gateway: "shaky" });

real("stop stops the provider's meter, keeps the text and says the cost", async ({ page, app, gateway, shot }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  await ask(page, "Hello");
  await some(page);
  await page.keyboard.press("Escape");
  const stopped = page.locator(".stopped");
  await stopped.waitFor();
  const kept = await text(page);
  assert.ok(kept.length > 30 && kept.length < SAID.length && SAID.startsWith(kept.trimEnd()), kept);
  await until(async () => /^Stopped · \$0\.00\d+$/.test(await stopped.innerText()), "the cost");
  await shot("stopped");
  const { data } = await gateway.generation(ids[0]);
  assert.equal(data.outcome, "cancelled");
  const shown = Number((await stopped.innerText()).split("$")[1]);
  assert.ok(Math.abs(shown - Number(data.total_cost)) < 0.0001, `shown ${shown}, charged ${data.total_cost}`);
  await page.reload();
  await stopped.waitFor();
  assert.equal(await text(page), kept);
  assert.equal(ids.length, 1);
});

real("a reload in mid-answer resumes and completes it", async ({ page, app, gateway }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  await ask(page, "Hello");
  await some(page);
  await page.reload();
  await whole(page, SAID);
  assert.equal(await answers(page).count(), 1);
  assert.equal(ids.length, 1);
  assert.equal((await gateway.generation(ids[0])).data.attempts.length, 1);
});

real("a cut wire in mid-answer, three times, costs nothing and loses nothing", async ({ page, app, gateway, shot }) => {
  const ids = requestIds(page);
  const resumed = [];
  page.on("request", (request) => request.url().includes("/stream") && resumed.push(new URL(request.url()).searchParams.get("starting_after")));
  await page.goto(app.url);
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const now = document.querySelector('[data-testid="text"]')?.innerText ?? "";
      if (now !== window.seen.at(-1)) window.seen.push(now);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await ask(page, "Hello");
  for (let n = 1; n <= 3; n++) {
    await some(page, n * 30);
    gateway.cut();
    await page.getByText("Connection lost, answer continues on the server.").waitFor();
    if (n === 1) await shot("reconnecting");
    await until(async () => (await page.getByText("Connection lost").count()) === 0, "the connection");
  }
  await whole(page, SAID);
  const seen = await page.evaluate(() => window.seen);
  for (let n = 1; n < seen.length; n++) assert.ok(seen[n].startsWith(seen[n - 1].trimEnd()), `"${seen[n - 1]}" became "${seen[n]}"`);
  assert.equal(ids.length, 1);
  assert.ok(resumed.length === 3 && resumed.every((after) => Number(after) > 3), `tails were asked for: ${resumed}`);
  assert.equal((await gateway.generation(ids[0])).data.attempts.length, 1);
});

real("offline in mid-answer, and back", async ({ page, context, app, gateway }) => {
  await page.goto(app.url);
  await ask(page, "Hello");
  await some(page);
  await context.setOffline(true);
  gateway.cut();
  await page.getByText("You are offline. The answer goes on at the server").waitFor();
  await page.waitForTimeout(1000);
  await context.setOffline(false);
  await whole(page, SAID);
});

real("retry is the same generation: a finished one is not bought again", async ({ page, app, gateway }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  await ask(page, "Hello");
  await some(page);
  // The page believes that all is lost; the gateway knows better.
  await page.route("**/stream*", (route) => route.fulfill({ status: 204 }));
  gateway.cut();
  await notice(page).waitFor();
  assert.match(await notice(page).innerText(), /not there any more/);
  await page.getByRole("button", { name: "Retry" }).click();
  await whole(page, SAID);
  assert.equal(ids.length, 2);
  await page.getByRole("button", { name: "Regenerate" }).click();
  await until(() => ids.length === 3, "a third request");
  await whole(page, SAID);
  const [first, same, other] = ids.streams;
  assert.equal(same, first, "the same stream");
  assert.notEqual(other, first);
});

/** Kills the gateway when some of the answer is there, and starts it again. */
async function killInMidAnswer({ page, app, gateway, shot }) {
  await page.goto(app.url);
  await ask(page, "Hello");
  await some(page, 60);
  await gateway.kill();
  await page.getByText("Connection lost, answer continues on the server.").waitFor();
  await shot("down");
  await gateway.up();
}

real("a gateway that is killed in mid-answer goes on with it when it is back", async (around) => {
  const { page, gateway, shot } = around;
  const ids = requestIds(page);
  await killInMidAnswer(around);
  await whole(page, SAID, 40_000);
  await shot("after");
  assert.equal(ids.length, 1);
  const { data } = await gateway.generation(ids.streams[0]);
  assert.equal(data.attempts.length, 2, "one attempt more, with a hold of its own");
}, { limit: 120_000 });

real("where a restart ends answers, that is said, and what was written is kept", async (around) => {
  const { page, shot } = around;
  await killInMidAnswer(around);
  await notice(page).waitFor({ timeout: 40_000 });
  assert.match(await notice(page).getByRole("alert").innerText(), /^The service was restarted in the middle of this answer\. What was written is kept\.$/);
  const kept = await text(page);
  assert.ok(kept.length > 60 && kept.length < SAID.length && SAID.startsWith(kept.trimEnd()), kept);
  await shot("after");
  await page.getByRole("button", { name: "Continue from here" }).click();
  await until(async () => (await answers(page).count()) === 2, "a second answer");
  await whole(page, SAID);
}, { gateway: "ending", limit: 120_000 });
