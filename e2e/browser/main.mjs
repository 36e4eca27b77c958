// Browser end-to-end tests of examples/nextjs-chat. Started by ../browser.sh; words choose scenarios.

import { startFake } from "./fake-gateway.mjs";
import { startReal } from "./real-gateway.mjs";
import { launch, runAll, startApp } from "./harness.mjs";
import "./scenarios/answer.mjs";
import "./scenarios/stop.mjs";
import "./scenarios/resume.mjs";
import "./scenarios/problems.mjs";
import "./scenarios/access.mjs";
import "./scenarios/real.mjs";

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
}
const browser = await launch();
const { passed, failed } = await runAll(browser, surroundings, process.argv.slice(2));
await browser.close();
console.log(`browser: ${passed} passed, ${failed} failed`);
// Read by the summary of continuous integration.
console.log(`test result: ${failed === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
