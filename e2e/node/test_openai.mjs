// The official openai-node client, unchanged, against the gateway.
import assert from "node:assert/strict";
import OpenAI from "openai";

const provider = process.env.HALTLINE_E2E_PROVIDER;
const rich = new OpenAI({ baseURL: process.env.HALTLINE_E2E_RICH_URL, apiKey: process.env.HALTLINE_E2E_RICH_KEY });
const poor = new OpenAI({ baseURL: process.env.HALTLINE_E2E_POOR_URL, apiKey: process.env.HALTLINE_E2E_POOR_KEY });
const ask = (content = "Say hello.") => [{ role: "user", content }];

const control = (behaviour) =>
  fetch(`${provider}/__control`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(behaviour) });
// These behaviours first, then good answers.
const script = (...first) => control({ script: { queue: { first } } });
const providerCalls = async () => (await (await fetch(`${provider}/__calls`)).json()).chat;
const metric = async (client, name) => {
  const text = await (await fetch(client.baseURL.replace(/\/v1$/, "/metrics"))).text();
  return text.split("\n").filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
};

const tests = {
  async "a whole answer"() {
    const answer = await rich.chat.completions.create({ model: "chat", messages: ask() });
    assert.ok(answer.choices[0].message.content);
    assert.ok(answer.usage.total_tokens > 0);
  },
  async "a stream"() {
    let text = "";
    let finish;
    for await (const chunk of await rich.chat.completions.create({ model: "chat", messages: ask(), stream: true })) {
      text += chunk.choices[0].delta.content ?? "";
      finish = chunk.choices[0].finish_reason ?? finish;
    }
    assert.ok(text);
    assert.equal(finish, "stop");
  },
  async "tools in a stream"() {
    await script({ kind: "answer", shape: "tool_call" });
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
    const runner = rich.chat.completions.stream({ model: "chat", messages: ask(), tools });
    const message = (await runner.finalChatCompletion()).choices[0].message;
    assert.equal(message.tool_calls[0].function.name, "weather");
    assert.equal(typeof JSON.parse(message.tool_calls[0].function.arguments), "object");
  },
  async "an unknown model"() {
    await assert.rejects(rich.chat.completions.create({ model: "chta", messages: ask() }), (error) => error.status === 404 && error.code === "unknown_model");
  },
  async "a provider's failure is retried here, not by the client"() {
    const before = await providerCalls();
    await script(...Array(4).fill({ kind: "status", status: 500 }));
    await assert.rejects(rich.chat.completions.create({ model: "chat", messages: ask("fail please, node") }), (error) => error.status === 502 && error.code === "upstream_failed");
    assert.equal((await providerCalls()) - before, 4);
  },
  async "a cut stream is an error"() {
    await script({ kind: "answer", ending: { truncate: { after: 3 } } });
    const stream = await rich.chat.completions.create({ model: "chat", messages: ask("cut, node"), stream: true });
    await assert.rejects(async () => {
      for await (const _ of stream);
    }, (error) => error.code === "upstream_failed");
  },
  async "a storm against a used-up budget makes one request per call"() {
    const before = await metric(poor, "haltline_requests_total");
    const calls = Array.from({ length: 100 }, () => poor.chat.completions.create({ model: "chat", messages: ask() }).catch((error) => error));
    for (const error of await Promise.all(calls)) {
      assert.equal(error.status, 402);
      assert.equal(error.error.haltline.retryable, false);
    }
    assert.equal((await metric(poor, "haltline_requests_total")) - before, 100);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  await script();
  try {
    await test();
    console.log(`test node::${name} ... ok`);
  } catch (error) {
    failed += 1;
    console.log(`test node::${name} ... FAILED: ${error.stack}`);
  }
}
const passed = Object.keys(tests).length - failed;
console.log(`test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exit(failed ? 1 : 0);
