// People who sign in, and whose browsers ask the gateway themselves.

import assert from "node:assert/strict";
import { answers, ask, question, scenario, until, whole } from "../harness.mjs";
import { SAID } from "../real-gateway.mjs";

const direct = (name, run, options = {}) => scenario(name, run, { gateway: "direct", limit: 120_000, ...options });
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
let people = 0;

/** Somebody new, signed in; says who. */
async function signIn(page, app) {
  const name = `user${++people}`;
  await page.goto(app.url);
  await page.waitForURL("**/login");
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Sign in" }).click();
  await question(page).waitFor();
  return name;
}

/** What a page of the app asks of the gateway's cookie routes. */
function cookieRequests(context) {
  const asked = [];
  context.on("response", (response) => {
    const [, what] = /\/v1\/auth\/(\w+)$/.exec(response.url()) ?? [];
    if (what && response.request().method() === "POST") asked.push({ what, status: response.status() });
  });
  asked.of = (what) => asked.filter((one) => one.what === what);
  return asked;
}

/** Tokens that a page has sent. */
function tokens(context) {
  const seen = [];
  context.on("request", (request) => {
    const { authorization } = request.headers();
    if (authorization && !seen.includes(authorization)) seen.push(authorization);
  });
  return seen;
}

const refreshCookie = async (context, gateway) => (await context.cookies(`${gateway.url}/v1/auth/session`)).find(({ name }) => name.includes("haltline-refresh"));

direct("whoever is not signed in goes to the login, and then asks the gateway directly", async ({ page, context, app, gateway, shot }) => {
  const questions = [];
  page.on("request", (request) => request.method() === "POST" && request.url().includes("/api/chat") && questions.push(request));
  await page.goto(`${app.url}/c/some-chat`);
  await page.waitForURL("**/login");
  await shot("login");
  await signIn(page, app);
  await ask(page, "Hello");
  await whole(page, SAID);
  await shot("signed-in");
  assert.equal(questions.length, 1);
  assert.ok(questions[0].url().startsWith(gateway.url), "straight to the gateway");
  assert.match(questions[0].headers()["authorization"], /^Bearer hl-web-/);
  const cookie = await refreshCookie(context, gateway);
  assert.ok(cookie.httpOnly && cookie.path === "/v1/auth" && cookie.sameSite === "Strict", JSON.stringify(cookie));
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage, cookie: document.cookie }));
  assert.ok(!/hl-(web|refresh|code)-/.test(kept), "no token in the page's storage");
  // A reload keeps who is signed in, and the chat.
  await page.reload();
  await whole(page, SAID);
  assert.equal(await answers(page).count(), 1);
});

direct("a visitor without a session gets nothing from the app's own routes", async ({ app }) => {
  for (const [method, path] of [["POST", "/api/haltline/token"], ["POST", "/api/chat"], ["GET", "/api/chat/x/stream"], ["POST", "/api/chat/x/stop"], ["POST", "/api/logout"]]) {
    const answer = await fetch(app.url + path, { method });
    assert.equal(answer.status, 401, path);
    const forged = await fetch(app.url + path, { method, headers: { cookie: "haltline-chat-session=eyJ1c2VyIjoiYWxpY2UifQ.AAAA" } });
    assert.equal(forged.status, 401, path);
  }
});

direct("a token that ends in mid-conversation is renewed unseen", async ({ page, context, app, shot }) => {
  const asked = cookieRequests(context);
  const seen = tokens(context);
  await signIn(page, app);
  await ask(page, "Hello");
  await whole(page, SAID);
  await until(() => asked.of("refresh").length >= 1, "a refresh before the end", 15_000);
  await ask(page, "And again");
  await until(async () => (await answers(page).count()) === 2, "a second answer");
  await whole(page, SAID);
  assert.ok(seen.length >= 2, "with another token");
  // Also one that the gateway does not take, once.
  let refused = 0;
  await page.route("**/api/chat", (route) => (refused++ === 0 ? route.fulfill({ status: 401, headers: { "access-control-allow-origin": app.url }, body: "{}" }) : route.continue()));
  await ask(page, "A third time");
  await until(async () => (await answers(page).count()) === 3, "a third answer");
  await whole(page, SAID);
  assert.equal(refused, 2);
  assert.ok(asked.every(({ status }) => status < 300), JSON.stringify(asked));
  await shot("renewed");
});

direct("two tabs share one sign-in, and may refresh at once", async ({ page, context, app, gateway }) => {
  const asked = cookieRequests(context);
  await signIn(page, app);
  const other = await context.newPage();
  await other.goto(app.url);
  await question(other).waitFor();
  await ask(page, "Hello");
  await ask(other, "Hello");
  await Promise.all([whole(page, SAID), whole(other, SAID)]);
  assert.equal(asked.of("session").length, 1, "one exchange for both");
  // Past all locks: both tabs present the same cookie in the same moment.
  const refresh = (tab) =>
    tab.evaluate(async (url) => {
      const { csrf } = await (await fetch(`${url}/v1/auth/session`, { credentials: "include" })).json();
      await new Promise((done) => setTimeout(done, 300 - (Date.now() % 300)));
      const answer = await fetch(`${url}/v1/auth/refresh`, { method: "POST", credentials: "include", headers: { "x-haltline-csrf": csrf } });
      return answer.status;
    }, gateway.url);
  assert.deepEqual(await Promise.all([refresh(page), refresh(other)]), [200, 200]);
  await pause(7000);
  for (const tab of [page, other]) {
    await ask(tab, "And again");
    await until(async () => (await answers(tab).count()) === 2, "a second answer");
    await whole(tab, SAID);
  }
  assert.ok(asked.every(({ status }) => status < 300), JSON.stringify(asked));
});

direct("a stolen refresh token that is used again signs both out", async ({ page, context, app, gateway, shot }) => {
  await signIn(page, app);
  await ask(page, "Hello");
  await whole(page, SAID);
  const stolen = await refreshCookie(context, gateway);
  const headers = { cookie: `${stolen.name}=${stolen.value}`, origin: app.url };
  const { csrf } = await (await fetch(`${gateway.url}/v1/auth/session`, { headers })).json();
  await until(async () => (await refreshCookie(context, gateway)).value !== stolen.value, "a refresh", 15_000);
  await pause(2500);
  // The app's own session is over as well, so that the page cannot simply come in anew.
  await context.clearCookies({ name: "haltline-chat-session" });
  const thief = await fetch(`${gateway.url}/v1/auth/refresh`, { method: "POST", headers: { ...headers, "x-haltline-csrf": csrf } });
  assert.equal(thief.status, 401);
  await page.waitForURL("**/login", { timeout: 20_000 });
  await shot("signed-out");
});

direct("signing out in one tab signs out in all", async ({ page, context, app, gateway }) => {
  const seen = tokens(context);
  await signIn(page, app);
  const other = await context.newPage();
  await other.goto(app.url);
  await ask(other, "Hello");
  await whole(other, SAID);
  await page.getByRole("button", { name: "Sign out" }).click();
  await Promise.all([page.waitForURL("**/login"), other.waitForURL("**/login")]);
  for (const authorization of seen) {
    const answer = await fetch(`${gateway.url}/v1/models`, { headers: { authorization } });
    assert.equal(answer.status, 401);
  }
  assert.equal(await refreshCookie(context, gateway), undefined);
});

direct("another site's page can read nothing and do nothing", async ({ page, context, app, gateway, other, shot }) => {
  const seen = tokens(context);
  await signIn(page, app);
  await ask(page, "Hello");
  await whole(page, SAID);
  const before = await refreshCookie(context, gateway);
  const evil = await context.newPage();
  await evil.goto(other.url);
  const results = await evil.evaluate(
    async ({ url, authorization }) => {
      const attempt = (path, init) => fetch(url + path, init).then((answer) => answer.status, (error) => error.name);
      for (const form of document.forms) form.submit();
      return [
        await attempt("/v1/models", { headers: { authorization } }),
        await attempt("/v1/auth/session", { credentials: "include" }),
        await attempt("/v1/auth/refresh", { method: "POST", credentials: "include", headers: { "x-haltline-csrf": "x" } }),
        await attempt("/v1/auth/logout", { method: "POST", credentials: "include", mode: "no-cors" }),
      ];
    },
    { url: gateway.url, authorization: seen[0] },
  );
  assert.deepEqual(results, ["TypeError", "TypeError", "TypeError", "TypeError"]);
  await pause(500);
  await shot("before-the-next-question");
  const after = await refreshCookie(context, gateway);
  assert.ok(after, "still signed in");
  assert.ok(before);
  await ask(page, "And again");
  await until(async () => (await answers(page).count()) === 2, "a second answer");
  await whole(page, SAID);
});
