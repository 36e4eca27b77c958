// From the click to the last word.

import assert from "node:assert/strict";
import { TEXT, WORDS } from "../fake-gateway.mjs";
import { answers, ask, progress, question, scenario, text, until, whole } from "../harness.mjs";

scenario("thinking is there within 100 ms of the click, then phases, then tokens", async ({ page, app, fake, shot }) => {
  const data = (state, more) => ({ state, ...more });
  fake.next({
    wait: 2600, interval: 60,
    phases: [[300, data("queued")], [800, data("checking")], [1300, data("waiting", { model: "gpt-x" })], [2000, data("retrying", { attempt: 2, of: 3, model: "claude-y" })]],
  });
  await page.goto(app.url);
  await question(page).fill("What is a gateway?");
  await shot("welcome");
  // Measured in the page: from the click to the frame that shows both rows.
  await page.evaluate(() => {
    window.shown = new Promise((done) => {
      document.querySelector('[aria-label="Send"]').addEventListener("click", () => {
        const begin = performance.now();
        const look = () => {
          const isThere = document.querySelector('[data-testid="progress"]')?.textContent.startsWith("Thinking") && document.querySelector('[aria-label="You said"]');
          if (isThere) requestAnimationFrame(() => done(performance.now() - begin));
          else requestAnimationFrame(look);
        };
        look();
      }, { capture: true, once: true });
    });
  });
  await page.getByRole("button", { name: "Send" }).click();
  const shown = await page.evaluate(() => window.shown);
  console.log(`  thinking shown after ${shown.toFixed(0)} ms`);
  assert.ok(shown <= 100, `thinking came after ${shown} ms`);
  assert.match(await progress(page).innerText(), /^Thinking… \d\.\d s$/);
  await shot("thinking");
  const seen = [];
  await until(async () => {
    const now = (await progress(page).innerText().catch(() => "")).replace(/… [\d.]+ s$/, "");
    if (now && now !== seen.at(-1)) seen.push(now);
    return now.includes("tokens/s");
  }, "the phases, then a pace");
  await shot("writing");
  const phases = ["Thinking", "Waiting for a place", "Checking the request", "Waiting for gpt-x", "Retrying 2/3 on claude-y"];
  assert.deepEqual(seen.slice(0, phases.length), phases);
  const lengths = new Set();
  for (let n = 0; n < 12; n++) {
    lengths.add((await text(page)).length);
    await page.waitForTimeout(60);
  }
  assert.ok(lengths.size >= 3, `text came in ${lengths.size} steps`);
  await whole(page, TEXT);
  const footer = () => answers(page).last().locator("footer").innerText();
  await until(async () => (await footer()).includes("tokens/s"), "tokens, pace, time and cost");
  assert.match(await footer(), new RegExp(`${WORDS.length} tokens · \\d+ tokens/s · \\d+\\.\\d s · \\$0\\.0042`));
  assert.match(page.url(), /\/c\/[\w-]{36}$/);
  await shot("done");
  const [asked] = fake.asked();
  assert.equal(asked.headers.authorization, "Bearer hl-test-key");
  assert.match(asked.headers["x-haltline-user"], /^web-[\w-]{36}$/);
  assert.equal(JSON.parse(asked.body).model, "chat");
  assert.equal(fake.requests.length, 1);
});

scenario("the cost ticks while it is written, for who wants it", async ({ page, app, fake, shot }) => {
  fake.next({}, { interval: 60 });
  await page.goto(app.url);
  await page.getByRole("checkbox", { name: "Show cost while writing" }).check();
  await ask(page, "One");
  await whole(page, TEXT);
  await ask(page, "Two");
  await until(async () => /≈ \d+ tokens\/s · ≈ \$0\.00\d+/.test(await progress(page).innerText().catch(() => "")), "a cost beside the pace");
  await shot("ticker");
  await whole(page, TEXT);
});

scenario("after ten seconds one can leave, and the answer waits", async ({ page, app, fake, shot }) => {
  fake.next({ wait: 11_000, interval: 100 }, {});
  await page.goto(app.url);
  await ask(page, "A long one");
  const leave = page.getByRole("button", { name: "Keep in background" });
  assert.equal(await leave.count(), 0);
  await leave.waitFor({ timeout: 12_000 });
  await shot("still-working");
  const address = page.url();
  await leave.click();
  const kept = page.getByText("Kept in background");
  await kept.waitFor();
  assert.ok((await kept.innerText()).includes("req_"), await kept.innerText());
  assert.ok((await kept.innerText()).includes(address));
  await shot("kept");
  assert.equal(fake.stops.length, 0);
  await ask(page, "Another");
  await whole(page, TEXT);
  await page.getByRole("link", { name: "A long one new" }).waitFor();
  await page.getByRole("link", { name: "A long one" }).first().click();
  await whole(page, TEXT);
  assert.equal(page.url(), address);
});

scenario("markdown is shown as text, code and lists, and HTML stays text", async ({ page, app, fake, shot }) => {
  const words = ["## Three steps\n\n1. **Install** it\n2. Run `haltline demo`\n3. Read [the docs](https://example.org/x)\n\n> Quoted <b>as is</b>\n\n```sh\ncurl -N http://127.0.0.1:4100/v1\n```\n\n- a *point*\n- another <img src=x onerror=alert(1)>"];
  fake.next({ words });
  await page.goto(app.url);
  await ask(page, "Show me");
  const answer = answers(page).last();
  await answer.locator("footer").waitFor();
  assert.equal(await answer.locator("ol li").count(), 3);
  assert.equal(await answer.locator("pre code").innerText(), "curl -N http://127.0.0.1:4100/v1");
  assert.equal(await answer.locator("img, b").count(), 0);
  assert.equal(await answer.getByRole("link").getAttribute("href"), "https://example.org/x");
  await shot("markdown");
});

scenario("other sites cannot spend, and the key stays on the server", async ({ page, app, fake }) => {
  const seen = [];
  page.on("response", async (response) => seen.push(await response.text().catch(() => "")));
  await page.goto(app.url);
  await ask(page, "Hello");
  await whole(page, TEXT);
  assert.ok(seen.length > 3 && !seen.some((body) => body.includes("hl-test-key")));
  const foreign = await fetch(`${app.url}/api/chat`, { method: "POST", headers: { "sec-fetch-site": "cross-site" }, body: "{}" });
  assert.equal(foreign.status, 403);
  assert.equal(fake.asked().length, 1);
  assert.equal((await fetch(`${app.url}/api/chat/..%2Fx/stop`, { method: "POST" })).status, 404);
  assert.equal((await fetch(`${app.url}/nothing`)).status, 404);
});
