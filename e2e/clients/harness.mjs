// What the Node tests share: the gateway's address, the fakes' calls, and a runner that prints one
// line a test.
import assert from "node:assert/strict";

export const url = process.env.HALTLINE_E2E_URL;
export const key = process.env.HALTLINE_E2E_KEY;
export const poorKey = process.env.HALTLINE_E2E_POOR_KEY;
export const fakes = process.env.HALTLINE_E2E_FAKES;
export { assert };

export const calls = async () => (await (await fetch(`${fakes}/calls`)).json()).calls;
export const forget = () => fetch(`${fakes}/calls`, { method: "DELETE" });

/** The models of all provider dialects: every client is tried against each. */
export const models = ["openai/gpt", "anthropic/claude", "google/gemini", "mistral/mistral", "azure/gpt", "compatible/llama"];
export const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

export async function run(name, tests) {
  let failed = 0;
  for (const [title, test] of Object.entries(tests)) {
    await forget();
    try {
      await test();
      console.log(`test ${name}::${title} ... ok`);
    } catch (error) {
      failed += 1;
      console.log(`test ${name}::${title} ... FAILED: ${error.stack ?? error}`);
      for (const call of (await calls()).slice(-2)) console.log("  asked: " + JSON.stringify(call).slice(0, 1500));
    }
  }
  process.exitCode = failed ? 1 : 0;
}
