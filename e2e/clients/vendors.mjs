// Anthropic's, Google's and Mistral's own Node clients, against every provider dialect.
import { createRequire } from "node:module";
import { assert, calls, city, key, models, poorKey, run, url } from "./harness.mjs";

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(require.resolve(name));
const { default: Anthropic } = await load("@anthropic-ai/sdk");
const { GoogleGenAI } = await load("@google/genai");
const { Mistral } = await load("@mistralai/mistralai");

const anthropic = new Anthropic({ baseURL: url, apiKey: key });
const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
const mistral = new Mistral({ serverURL: url, apiKey: key });
const tests = {
  async "anthropic: a budget is said once"() {
    const poor = new Anthropic({ baseURL: url, apiKey: poorKey });
    await assert.rejects(poor.messages.create({ model: "anthropic/claude", max_tokens: 100, messages: [{ role: "user", content: "hi" }] }), (error) => error.status === 402 && error.error.error.type === "billing_error");
    assert.equal((await calls()).length, 0);
  },
  async "anthropic: tokens are counted"() {
    const { input_tokens } = await anthropic.messages.countTokens({ model: "anthropic/claude", messages: [{ role: "user", content: "good day" }] });
    assert.ok(input_tokens > 0);
  },
  async "models are listed in each dialect"() {
    const names = [];
    for await (const model of anthropic.models.list()) names.push(model.id);
    assert.ok(names.includes("anthropic/claude"), names.join());
    const theirs = [];
    for await (const model of await google.models.list()) theirs.push(model.name);
    assert.ok(theirs.includes("models/google/gemini"), theirs.join());
    // Mistral's client knows its own kinds of model only, and hands others on as they came.
    assert.ok((await mistral.models.list()).data.some((model) => (model.id ?? model.raw.id) === "mistral/mistral"));
  },
  async "google: a budget is said once"() {
    const poor = new GoogleGenAI({ apiKey: poorKey, httpOptions: { baseUrl: url } });
    await assert.rejects(poor.models.generateContent({ model: "google/gemini", contents: "hi" }), (error) => error.status === 402);
  },
};
for (const model of models) {
  tests[`anthropic whole and stream ${model}`] = async () => {
    const ask = { model, max_tokens: 2000, system: "Be kind.", messages: [{ role: "user", content: "good day" }] };
    const whole = await anthropic.messages.create(ask);
    assert.equal(whole.content[0].text, "Hello! You said: good day");
    assert.equal(whole.stop_reason, "end_turn");
    const streamed = await anthropic.messages.stream(ask).finalMessage();
    assert.equal(streamed.content[0].text, whole.content[0].text);
    assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
  };
  tests[`anthropic tools ${model}`] = async () => {
    const tools = [{ name: "weather", description: "Weather of a city", input_schema: city }];
    const messages = [{ role: "user", content: "weather in both" }];
    const first = await anthropic.messages.stream({ model, max_tokens: 2000, messages, tools }).finalMessage();
    const asked = first.content.filter((block) => block.type === "tool_use");
    assert.deepEqual(asked.map((block) => block.input.city), ["Paris", "Rome"]);
    assert.equal(first.stop_reason, "tool_use");
    messages.push({ role: "assistant", content: first.content }, { role: "user", content: asked.map((block, n) => ({ type: "tool_result", tool_use_id: block.id, content: ["sunny", "rainy"][n] })) });
    const second = await anthropic.messages.create({ model, max_tokens: 2000, messages, tools });
    assert.equal(second.content[0].text, "The tool says sunny and rainy.");
  };
  tests[`anthropic thinking ${model}`] = async () => {
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const answer = await anthropic.messages.stream({ model, max_tokens: 2000, thinking, messages: [{ role: "user", content: "good day" }] }).finalMessage();
    assert.equal(answer.content.find((block) => block.type === "text").text, "Hello! You said: good day");
  };
  tests[`google whole and stream ${model}`] = async () => {
    const ask = { model, contents: "good day", config: { systemInstruction: "Be kind." } };
    const whole = await google.models.generateContent(ask);
    assert.equal(whole.text, "Hello! You said: good day");
    assert.ok(whole.usageMetadata.totalTokenCount > 0);
    let text = "";
    for await (const chunk of await google.models.generateContentStream(ask)) text += chunk.text ?? "";
    assert.equal(text, whole.text);
  };
  tests[`google tools ${model}`] = async () => {
    const config = { tools: [{ functionDeclarations: [{ name: "weather", description: "Weather of a city", parametersJsonSchema: city }] }] };
    const contents = [{ role: "user", parts: [{ text: "weather in both" }] }];
    const first = await google.models.generateContent({ model, contents, config });
    assert.deepEqual(first.functionCalls.map((call) => call.args.city), ["Paris", "Rome"]);
    contents.push(first.candidates[0].content, { role: "user", parts: first.functionCalls.map((call, n) => ({ functionResponse: { id: call.id, name: call.name, response: { output: ["sunny", "rainy"][n] } } })) });
    const second = await google.models.generateContent({ model, contents, config });
    assert.match(second.text, /sunny.*rainy/);
  };
  tests[`mistral whole and stream ${model}`] = async () => {
    const ask = { model, messages: [{ role: "user", content: "good day" }] };
    const whole = await mistral.chat.complete(ask);
    assert.equal(whole.choices[0].message.content, "Hello! You said: good day");
    let text = "";
    for await (const event of await mistral.chat.stream(ask)) text += event.data.choices[0]?.delta.content ?? "";
    assert.equal(text, whole.choices[0].message.content);
  };
}
await run("vendors' node", tests);
