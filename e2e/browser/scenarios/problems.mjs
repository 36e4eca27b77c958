// What people read when something is wrong, by class, and what the buttons do.

import assert from "node:assert/strict";
import { problem, TEXT } from "../fake-gateway.mjs";
import { answers, ask, notice, question, scenario, until, whole } from "../harness.mjs";

const soon = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();

scenario("a user's used-up budget stops sending, not writing", async ({ page, context, app, fake, shot }) => {
  await context.grantPermissions(["notifications"], { origin: app.url });
  fake.next({ status: 402, body: problem("budget_exceeded", "Budget \"user-day\" is used up.", "user_actionable", { budget: "user-day", scope: "user", resets_at: soon(5) }) });
  await page.goto(app.url);
  await ask(page, "Hello");
  await notice(page).waitFor();
  assert.match(await notice(page).getByRole("alert").innerText(), /^You've reached today's AI limit\. It resets at \d\d:\d\d \(in 5 h\)\.$/);
  await question(page).fill("A draft for later");
  assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
  await page.keyboard.press("Enter");
  assert.equal(await question(page).inputValue(), "A draft for later");
  await shot("used-up");
  await page.getByRole("button", { name: "Notify me" }).click();
  await page.getByText(/You will be told|Notifications are not allowed/).waitFor();
  assert.equal(fake.asked().length, 1, "a budget is not asked twice");
});

scenario("sending works again when the budget is reset", async ({ page, app, fake }) => {
  await page.goto(app.url);
  await question(page).waitFor();
  fake.next({ status: 402, body: problem("budget_exceeded", "Used up.", "user_actionable", { budget: "user-hour", resets_at: new Date(Date.now() + 5000).toISOString() }) });
  await ask(page, "Hello");
  await notice(page).waitFor();
  await question(page).fill("And now?");
  assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
  await until(() => page.getByRole("button", { name: "Send" }).isEnabled(), "the reset");
  await page.getByRole("button", { name: "Send" }).click();
  await whole(page, TEXT);
});

scenario("a rate limit is waited for, in sight, with a way out", async ({ page, app, fake, shot }) => {
  const body = problem("rate_limited", "Slower.", "retryable");
  fake.next({ status: 429, headers: { "retry-after": "3" }, body }, {}, { status: 429, headers: { "retry-after": "2" }, body });
  await page.goto(app.url);
  await ask(page, "Hello");
  await page.getByText(/Trying again in [123] s…/).waitFor();
  await shot("countdown");
  await whole(page, TEXT);
  const [first, second] = fake.asked();
  assert.equal(second.headers["idempotency-key"], first.headers["idempotency-key"]);
  assert.equal(second.body, first.body);
  await ask(page, "Once more");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForTimeout(2500);
  assert.equal(fake.asked().length, 3, "cancelled is cancelled");
  await page.getByRole("button", { name: "Retry" }).click();
  await whole(page, TEXT);
});

scenario("it is not tried for ever", async ({ page, app, fake }) => {
  const refusal = { status: 503, headers: { "retry-after": "1" }, body: problem("overloaded", "Busy.", "retryable") };
  fake.next(refusal, refusal, refusal, refusal, refusal);
  await page.goto(app.url);
  await ask(page, "Hello");
  await page.getByRole("button", { name: "Retry" }).waitFor({ timeout: 10_000 });
  await page.waitForTimeout(1500);
  assert.equal(fake.asked().length, 4);
});

scenario("a smaller model and the cache say so in the answer", async ({ page, app, fake, shot }) => {
  fake.next({ headers: { "x-haltline-degraded": "openai/gpt-x -> openai/gpt-x-mini" } }, { headers: { "x-haltline-cache": "hit", age: "720" } },
    { phases: [[5, { state: "fallback", attempt: 2, from: "gpt-x", provider: "anthropic", model: "claude-y" }]] }, { phases: [[5, { state: "cached", age: 4210 }]] });
  await page.goto(app.url);
  for (const words of ["One", "Two", "Three", "Four"]) {
    await ask(page, words);
    await until(async () => (await answers(page).count()) === ["One", "Two", "Three", "Four"].indexOf(words) + 1, "an answer");
    await whole(page, TEXT);
  }
  await shot("origins");
  assert.deepEqual(await page.locator(".origin").allInnerTexts(), [
    "Answered by a smaller model (gpt-x-mini) in place of gpt-x",
    "From cache, 12 min old",
    "Answered by claude-y while gpt-x recovers",
    "From cache, 70 min old, while the model recovers",
  ]);
  await page.reload();
  assert.equal(await page.locator(".origin").count(), 4);
});

/** code, status (0: in the stream), class, what is read, the buttons, facts. */
const TABLE = [
  ["budget_exceeded", 402, "user_actionable", "AI is paused for this app. The team has been told.", [], { budget: "company-day", scope: "global", resets_at: soon(5) }],
  ["budget_exceeded", 402, "user_actionable", "You've reached this hour's AI limit. It frees up little by little.", ["Retry"], { budget: "user-hour" }],
  ["reservation_too_large", 402, "user_actionable", "This request could cost more than is left of your AI limit. Make it shorter, or start a new chat.", ["Edit", "New chat"]],
  ["breaker_open", 503, "retryable", "The model is not answering.", ["Cancel"]],
  ["draining", 503, "retryable", "The service is busy or restarting.", ["Cancel"]],
  ["upstream_failed", 502, "permanent", "The model is not answering. Try again in about 30 s.", ["Try again"]],
  ["upstream_timeout", 0, "permanent", "The model is not answering. Try again in about 30 s.", ["Try again"]],
  ["stream_deadline", 0, "permanent", "This took too long and was stopped. What was written is kept.", ["Continue from here", "Regenerate"]],
  ["content_filter", 400, "user_actionable", "This request was blocked by policy secrets. Edit it and send again.", ["Edit"], {}, "Blocked by policy \"secrets\"."],
  ["context_length_exceeded", 400, "user_actionable", "This conversation is too long for the model.", ["Start a new chat"]],
  ["key_expired", 401, "user_actionable", "Please sign in again; your text is kept.", ["Sign in"]],
  ["key_invalid", 401, "user_actionable", "AI is not available in this app right now. Its team has to look at it.", ["Copy reference"]],
  ["retry_limit", 424, "user_actionable", "This was tried many times. Wait a little, then ask again.", ["Regenerate"]],
  ["invalid_request", 400, "user_actionable", "`temperature` must be at most 2.", ["Edit"], {}, "`temperature` must be at most 2."],
  ["internal", 500, "permanent", "Something failed on our side.", ["Copy reference", "Retry", "Regenerate"]],
  ["a_code_of_tomorrow", 418, "permanent", "Something failed on our side.", ["Copy reference", "Retry", "Regenerate"]],
];

scenario("every class of error has its words and its buttons", async ({ page, app, fake, shot }) => {
  for (const [code, status, kind, read, buttons, facts = {}, message = "No."] of TABLE) {
    const body = problem(code, message, kind, facts);
    fake.next(status === 0 ? { error: body } : { status, body });
    await page.goto(app.url);
    await ask(page, `Show me ${code}`);
    await notice(page).waitFor();
    assert.equal((await notice(page).getByRole("alert").innerText()).trim(), read, code);
    assert.deepEqual(await notice(page).getByRole("button").allInnerTexts(), buttons, code);
    if (status === 0) assert.ok((await answers(page).last().innerText()).startsWith("A gateway"), "what was written is kept");
    if (buttons.includes("Copy reference")) assert.match(await notice(page).innerText(), /Reference req_0f00/);
    if (["stream_deadline", "internal", "content_filter"].includes(code)) await shot(code);
    if (buttons.includes("Cancel")) await page.getByRole("button", { name: "Cancel" }).click();
  }
}, { limit: 120_000 });

scenario("buttons of problems do what they say", async ({ page, context, app, fake }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: app.url });
  fake.next({ status: 400, body: problem("content_filter", "No.", "user_actionable") });
  await page.goto(app.url);
  await ask(page, "My password is swordfish");
  await page.getByRole("button", { name: "Edit" }).click();
  assert.equal(await question(page).inputValue(), "My password is swordfish");
  assert.equal(await page.getByRole("article", { name: "You said" }).count(), 0);
  await question(page).fill("My password is a secret");
  await page.keyboard.press("Enter");
  await whole(page, TEXT);

  fake.next({ error: problem("stream_deadline", "Late.", "permanent") });
  await ask(page, "Longer");
  await page.getByRole("button", { name: "Continue from here" }).click();
  await whole(page, TEXT);
  const sent = JSON.parse(fake.asked().at(-1).body).messages;
  assert.deepEqual(sent.slice(-3).map((message) => message.role), ["user", "assistant", "user"]);

  fake.next({ status: 500, body: problem("internal", "Boom.", "permanent") });
  await ask(page, "Break");
  await page.getByRole("button", { name: "Copy reference" }).click();
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "req_0f00");

  fake.next({ status: 400, body: problem("context_length_exceeded", "Long.", "user_actionable") });
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.getByRole("button", { name: "Start a new chat" }).click();
  await page.getByRole("heading", { name: "What would you like to know?" }).waitFor();
});
