// The same, in front of the real gateway.

import assert from "node:assert/strict";
import { answers, ask, notice, question, scenario, text, until, whole } from "../harness.mjs";
import { LENGTH, SAID } from "../real-gateway.mjs";

const some = (page, length = 30) => until(async () => (await text(page).catch(() => "")).length > length, "some text");
const real = (name, run, options) => scenario(`real: ${name}`, run, { gateway: "real", ...options });

/** Ids of the requests that a page has made, as the gateway names them. */
function requestIds(page) {
  const ids = [];
  page.on("response", (response) => {
    if (response.request().method() === "POST" && response.url().endsWith("/api/chat")) ids.push(response.headers()["x-request-id"]);
  });
  return ids;
}

real("an answer, with its tokens and its cost", async ({ page, app, gateway, shot }) => {
  const ids = requestIds(page);
  await page.goto(app.url);
  await ask(page, "Hello");
  await page.getByText(/^Thinking… \d\.\d s$/).waitFor();
  await some(page);
  await shot("writing");
  await whole(page, SAID);
  const footer = await answers(page).last().locator("footer").innerText();
  const [, tokens, cost] = /(\d+) tokens · \d+ tokens\/s · [\d.]+ s · \$([\d.]+)/.exec(footer) ?? assert.fail(footer);
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
