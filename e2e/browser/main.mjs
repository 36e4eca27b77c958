// Browser end-to-end tests of examples/nextjs-chat. Started by ../browser.sh; words choose scenarios.

import { startFake } from "./fake-gateway.mjs";
import { startReal } from "./real-gateway.mjs";
import { freePort, launch, runAll, startApp } from "./harness.mjs";
import { startOtherSite } from "./other-site.mjs";
import "./scenarios/answer.mjs";
import "./scenarios/stop.mjs";
import "./scenarios/resume.mjs";
import "./scenarios/problems.mjs";
import "./scenarios/access.mjs";
import "./scenarios/real.mjs";
import "./scenarios/sign-in.mjs";

setTimeout(() => {
  console.error("not done after 15 minutes");
  process.exit(1);
}, 900_000).unref();

const fake = await startFake();
const surroundings = { fake: { fake, app: await startApp(fake.url, "hl-test-key") } };
if (process.env.HALTLINE_BIN) {
  const gateway = await startReal(process.env.HALTLINE_BIN);
  surroundings.real = { gateway, app: await startApp(gateway.url, gateway.key) };
  for (const model of ["broken", "shaky"]) surroundings[model] = { gateway, app: await startApp(gateway.url, gateway.key, { HALTLINE_MODEL: model }) };
  const ending = await startReal(process.env.HALTLINE_BIN, '[streams]\non_cut = "end"\n');
  surroundings.ending = { gateway: ending, app: await startApp(ending.url, ending.key) };
  const port = await freePort();
  const rules = `[auth.browser]\norigins = ["http://127.0.0.1:${port}"]\nexpires_in = "6s"\ngrace = "2s"\ninsecure_cookies_on_loopback = true\n`;
  const direct = await startReal(process.env.HALTLINE_BIN, rules);
  const other = await startOtherSite(direct.url);
  surroundings.direct = { gateway: direct, other, also: [direct.url, other.url], app: await startApp(direct.url, direct.key, { HALTLINE_BROWSER_URL: direct.url }, port) };
}
const browser = await launch();
const { passed, failed } = await runAll(browser, surroundings, process.argv.slice(2));
await browser.close();
console.log(`browser: ${passed} passed, ${failed} failed`);
// Read by the summary of continuous integration.
console.log(`test result: ${failed === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
