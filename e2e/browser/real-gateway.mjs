// The real binary, with its simulated model, behind a wire that can be cut.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, start, until } from "./harness.mjs";

/** What the simulated model says: the same twenty tokens, over and over. */
const TOKENS = ["This", " answer", " was", " made", " up", " by", " a", " simulated", " model", ".", " Nobody", " thought", " about", " it", ",", " but", " its", " tokens", " count", ". "];
export const LENGTH = 59;
export const SAID = Array.from({ length: LENGTH }, (_, n) => TOKENS[n % TOKENS.length]).join("");

const config = (port, data) => `
[server]
listen = "127.0.0.1:${port}"
[store]
url = "file:${data}"
[providers.sim]
kind = "simulated"
latency = "700ms"
token_interval = "60ms"
output_tokens = ${LENGTH}
[providers.broken]
kind = "simulated"
fail_per_mille = 1000
[models.chat]
targets = ["sim/large"]
max_output_tokens = 200
degrade_to = "small"
[models.small]
targets = ["sim/small"]
max_output_tokens = 200
[models.broken]
targets = ["broken/any"]
max_output_tokens = 200
[models.shaky]
targets = ["broken/first-choice", "sim/second-choice"]
max_output_tokens = 200
[retry]
base = "10ms"
[[budgets]]
name = "user-day"
scope = "user"
limit = "5 requests"
window = "day"
on_full = "degrade"
degrade_at = 60
[[budgets]]
name = "all-day"
scope = "global"
limit = "$100"
window = "day"
[[rate_limits]]
scope = "user"
limit = 4
per = "6s"
`;

/** `more` is added to the configuration. */
export async function startReal(binary, more = "") {
  const work = mkdtempSync(join(tmpdir(), "haltline-browser-"));
  process.on("exit", () => rmSync(work, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(work, "haltline.toml");
  writeFileSync(file, config(port, join(work, "data")) + more);
  const key = JSON.parse(execFileSync(binary, ["key", "create", "web", "--users", "any", "-c", file, "--format", "json"], { encoding: "utf8" })).secret;
  let child;
  const up = async () => {
    child = await start(binary, ["serve", "-c", file], { ready: /Ready in/ });
  };
  await up();

  // The wire: one socket on each side.
  const pairs = new Set();
  const wire = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const pair = [near, far];
    pairs.add(pair);
    near.pipe(far).pipe(near);
    const drop = () => {
      pairs.delete(pair);
      pair.forEach((socket) => socket.destroy());
    };
    for (const socket of pair) socket.on("error", drop).on("close", drop);
  });
  await new Promise((done) => wire.listen(0, "127.0.0.1", done));
  const api = (path) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${key}` } });
  return {
    url: `http://127.0.0.1:${wire.address().port}`,
    key,
    cut: () => [...pairs].forEach(([near, far]) => (near.resetAndDestroy(), far.destroy())),
    /** As the kernel kills it: no goodbye. */
    async kill() {
      child.kill("SIGKILL");
      await until(() => child.exitCode !== null || child.signalCode !== null, "the end of the gateway");
    },
    up,
    said: () => child.said(),
    /** What it has charged for a request, in dollars; undefined while it is under way. */
    async generation(id) {
      const answer = await api(`/v1/generation?id=${id}`);
      return answer.ok ? answer.json() : undefined;
    },
  };
}
