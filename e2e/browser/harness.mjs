// Starts what the scenarios need, runs them one by one, and counts.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const root = join(import.meta.dirname, "../..");
const example = join(root, "examples/nextjs-chat");
const shots = process.env.SCREENSHOTS ?? join(root, "target/e2e-screenshots");
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts a program; resolves when its output shows `ready`. */
export function start(command, args, { ready, ...options }) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  children.add(child);
  let said = "";
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${command} did not start:\n${said}`)), 60_000);
    const hear = (bytes) => {
      said = (said + bytes).slice(-20_000);
      if (!ready?.test(said)) return;
      clearTimeout(timer);
      done(child);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.said = () => said;
    child.on("exit", (code) => {
      children.delete(child);
      clearTimeout(timer);
      fail(new Error(`${command} ended with ${code}:\n${said}`));
    });
  });
}

/** The built example in front of a gateway. */
export async function startApp(url, key, env = {}, port = undefined) {
  port ??= await freePort();
  const next = join(example, "node_modules/next/dist/bin/next");
  const child = await start(process.execPath, [next, "start", "-H", "127.0.0.1", "-p", String(port)], {
    cwd: example,
    ready: /Ready in/,
    env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", HALTLINE_URL: url, HALTLINE_KEY: key, HALTLINE_MODEL: "chat", ...env },
  });
  return { url: `http://127.0.0.1:${port}`, child };
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}

const scenarios = [];
/** A scenario: `run({ page, context, app, fake, shot, … })`. */
export const scenario = (name, run, options = {}) => scenarios.push({ name, run, ...options });

export async function runAll(browser, surroundings, wanted) {
  mkdirSync(shots, { recursive: true });
  let passed = 0;
  let failed = 0;
  for (const { name, run, limit = 60_000, gateway = "fake", ...options } of scenarios) {
    const around = surroundings[gateway];
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
    if (!around) continue;
    around.fake?.reset();
    const context = await browser.newContext({ viewport: { width: 1180, height: 780 }, locale: "en-GB", ...options.context });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const bad = [];
    watch(context, page, [around.app.url, ...(around.also ?? [])], bad);
    const slug = name.replace(/\W+/g, "-");
    const shot = (what) => page.screenshot({ path: join(shots, `${slug}--${what}.png`) });
    const begin = Date.now();
    let timer;
    try {
      const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`not done after ${limit} ms`)), limit)));
      await Promise.race([run({ page, context, browser, shot, bad, ...around }), late]);
      if (bad.length > 0) throw new Error(bad.join("\n"));
      passed++;
      console.log(`test browser::${slug} ... ok (${Date.now() - begin} ms)`);
    } catch (error) {
      failed++;
      console.log(`test browser::${slug} ... FAILED: ${error.stack}`);
      if (bad.length > 0) console.log(bad.join("\n"));
      await shot("FAILED").catch(() => {});
    } finally {
      clearTimeout(timer);
      await context.close().catch(() => {});
    }
  }
  return { passed, failed };
}

/** A page must not fail by itself, nor ask anyone but its own servers. */
function watch(context, page, origins, bad) {
  page.on("pageerror", (error) => bad.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    // The browser itself reports statuses and lost connections.
    if (message.type() === "error" && !/Failed to load resource|net::ERR_|blocked by CORS policy/.test(message.text())) bad.push(`console: ${message.text()}`);
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!origins.some((origin) => url.startsWith(origin)) && !url.startsWith("data:")) bad.push(`a request to ${url}`);
  });
}

// What scenarios do on the page.

export const question = (page) => page.getByRole("textbox", { name: "Your message" });
export const answers = (page) => page.getByRole("article", { name: "Answer" });
export const progress = (page) => page.getByTestId("progress");
export const notice = (page) => page.getByRole("region", { name: "Problem" });
export const text = (page) => answers(page).last().getByTestId("text").innerText();

export async function ask(page, words) {
  await question(page).fill(words);
  await page.getByRole("button", { name: "Send" }).click();
}

/** Until the newest answer is whole. */
export async function whole(page, wanted, timeout = 20_000) {
  await page.waitForFunction(
    (wanted) => {
      const all = document.querySelectorAll('[aria-label="Answer"]');
      const last = all[all.length - 1];
      const isIdle = document.querySelector('[aria-label="Send"]') !== null;
      return isIdle && last?.getAttribute("aria-busy") === "false" && last.querySelector('[data-testid="text"]').innerText === wanted;
    },
    wanted,
    { timeout },
  ).catch(async (error) => {
    throw new Error(`${error.message}\nthe answer is: ${await text(page).catch(() => "none")}\nwanted:        ${wanted}`);
  });
}

export async function until(condition, what, timeout = 10_000) {
  for (const end = Date.now() + timeout; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`it did not come to that: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
