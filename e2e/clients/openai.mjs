// openai-node, unchanged, against every provider dialect: Chat Completions, Responses, embeddings.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { assert, calls, city, key, models, poorKey, run, url } from "./harness.mjs";

const require = createRequire(`${process.cwd()}/`);
const { default: OpenAI } = await import(require.resolve("openai"));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const poor = new OpenAI({ baseURL: `${url}/v1`, apiKey: poorKey });
const user = (content) => [{ role: "user", content }];
const tools = [{ type: "function", function: { name: "weather", description: "Weather of a city", parameters: city } }];
const flat = [{ type: "function", name: "weather", description: "Weather of a city", parameters: city, strict: false }];
const schema = { type: "object", properties: { answer: { type: "number" } }, required: ["answer"], additionalProperties: false };

const tests = {
  async "embeddings"() {
    const { data, usage } = await client.embeddings.create({ model: "openai/embed", input: ["a", "b"] });
    assert.deepEqual([data.length, data[0].embedding[0], usage.prompt_tokens > 0], [2, 0.25, true]);
  },
  async "a budget is said once"() {
    for (const ask of [() => poor.chat.completions.create({ model: "openai/gpt", messages: user("hi") }), () => poor.responses.create({ model: "openai/gpt", input: "hi" })]) {
      await assert.rejects(ask(), (error) => error.status === 402 && /[Bb]udget/.test(error.message));
    }
    assert.equal((await calls()).length, 0);
  },
};
for (const model of models) {
  tests[`chat whole ${model}`] = async () => {
    const answer = await client.chat.completions.create({ model, messages: [{ role: "system", content: "Be kind." }, ...user("good day")] });
    assert.equal(answer.choices[0].message.content, "Hello! You said: good day");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.total_tokens > 0);
  };
  tests[`chat stream ${model}`] = async () => {
    const stream = client.chat.completions.stream({ model, messages: user("good day"), stream_options: { include_usage: true } });
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].message.content, "Hello! You said: good day");
    assert.ok((await stream.totalUsage()).total_tokens > 0);
  };
  tests[`chat tools ${model}`] = async () => {
    const messages = user("weather in both");
    const first = (await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion()).choices[0];
    assert.equal(first.finish_reason, "tool_calls");
    assert.deepEqual(first.message.tool_calls.map((call) => JSON.parse(call.function.arguments).city), ["Paris", "Rome"]);
    messages.push(first.message, ...first.message.tool_calls.map((call, n) => ({ role: "tool", tool_call_id: call.id, content: ["sunny", "rainy"][n] })));
    const second = await client.chat.completions.create({ model, messages, tools });
    assert.equal(second.choices[0].message.content, "The tool says sunny and rainy.");
  };
  tests[`chat schema ${model}`] = async () => {
    const response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
    const answer = await client.chat.completions.create({ model, messages: user("6 times 7"), response_format });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { answer: 42 });
  };
  tests[`responses whole ${model}`] = async () => {
    const answer = await client.responses.create({ model, input: "good day", instructions: "Be kind." });
    assert.equal(answer.output_text, "Hello! You said: good day");
    assert.equal(answer.status, "completed");
    assert.ok(answer.usage.total_tokens > 0);
  };
  tests[`responses stream ${model}`] = async () => {
    let [text, number, last] = ["", 0, null];
    for await (const event of await client.responses.create({ model, input: user("good day"), stream: true })) {
      assert.equal(event.sequence_number, number++);
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event;
    }
    assert.equal(text, "Hello! You said: good day");
    assert.equal(last.type, "response.completed");
    assert.equal(last.response.output[0].content[0].text, text);
  };
  tests[`responses tools ${model}`] = async () => {
    const input = user("weather in both");
    const first = await client.responses.stream({ model, input, tools: flat }).finalResponse();
    const asked = first.output.filter((item) => item.type === "function_call");
    assert.deepEqual(asked.map((call) => JSON.parse(call.arguments).city), ["Paris", "Rome"]);
    const given = asked.map((call, n) => ({ type: "function_call_output", call_id: call.call_id, output: ["sunny", "rainy"][n] }));
    const second = await client.responses.create({ model, input: [...input, ...asked, ...given], tools: flat });
    assert.equal(second.output_text, "The tool says sunny and rainy.");
  };
  tests[`responses next turn by id ${model}`] = async () => {
    const first = await client.responses.create({ model, input: "good day" });
    assert.equal((await client.responses.retrieve(first.id)).output_text, first.output_text);
    const items = await client.responses.inputItems.list(first.id);
    assert.equal(items.data[0].content[0].text, "good day");
    const second = await client.responses.create({ model, input: "and again", previous_response_id: first.id });
    assert.equal(second.output_text, "Hello! You said: and again");
    assert.ok(JSON.stringify((await calls()).at(-1).body).includes("good day"));
  };
  tests[`a provider's failure is retried here only ${model}`] = async () => {
    const failing = model.replace(/\/.*/, "/fail-500");
    await assert.rejects(client.chat.completions.create({ model: failing, messages: user("fail") }), (error) => error.status === 502);
    assert.equal((await calls()).length, 4);
  };
  tests[`a cut stream is an error ${model}`] = async () => {
    const cut = model.replace(/\/.*/, "/cut");
    const read = async (stream) => {
      for await (const _ of await stream);
    };
    await assert.rejects(read(client.chat.completions.create({ model: cut, messages: user("a b c d e f g h"), stream: true })), (error) => error.code === "upstream_failed");
    await assert.rejects(read(client.responses.create({ model: cut, input: "a b c d e f g i", stream: true })));
  };
}
tests["responses in the background"] = async () => {
  let answer = await client.responses.create({ model: "openai/gpt", input: "good day", background: true });
  assert.ok(["queued", "in_progress"].includes(answer.status), answer.status);
  for (let n = 0; n < 50 && answer.status !== "completed"; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer = await client.responses.retrieve(answer.id);
  }
  assert.equal(answer.output_text, "Hello! You said: good day");
};
const { version } = JSON.parse(readFileSync("node_modules/openai/package.json", "utf8"));
await run(`openai-node ${version}`, tests);
