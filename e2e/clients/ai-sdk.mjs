// The AI SDK with its four providers and useChat's transport, against every provider dialect.
import { createRequire } from "node:module";
import { assert, calls, key, models, poorKey, run, url } from "./harness.mjs";

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(require.resolve(name));
const { generateText, streamText, generateObject, tool, stepCountIs, DefaultChatTransport, readUIMessageStream } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { createAnthropic } = await load("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = await load("@ai-sdk/google");
const { z } = await load("zod");

const clients = (apiKey) => ({
  "openai (responses)": createOpenAI({ baseURL: `${url}/v1`, apiKey }),
  "openai (chat)": createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat,
  "openai-compatible": createOpenAICompatible({ name: "haltline", baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
  anthropic: createAnthropic({ baseURL: `${url}/v1`, apiKey }),
  google: createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey }),
});
const weather = tool({ description: "Weather of a city", inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => ({ Paris: "sunny", Rome: "rainy" })[city] });

const tests = {};
for (const [name, client] of Object.entries(clients(key))) {
  for (const model of models) {
    tests[`${name} whole ${model}`] = async () => {
      const { text, usage, finishReason } = await generateText({ model: client(model), system: "Be kind.", prompt: "good day" });
      assert.equal(text, "Hello! You said: good day");
      assert.equal(finishReason, "stop");
      assert.ok(usage.totalTokens > 0);
    };
    tests[`${name} stream ${model}`] = async () => {
      const result = streamText({ model: client(model), prompt: "good day", onError: ({ error }) => { throw error; } });
      assert.equal(await result.text, "Hello! You said: good day");
      assert.ok((await result.usage).outputTokens > 0);
    };
    tests[`${name} tools ${model}`] = async () => {
      const { text, steps } = await generateText({ model: client(model), prompt: "weather in both", tools: { weather }, stopWhen: stepCountIs(3) });
      assert.deepEqual(steps[0].toolCalls.map((call) => call.input.city), ["Paris", "Rome"]);
      assert.match(text, /sunny.*rainy/);
    };
    tests[`${name} object ${model}`] = async () => {
      const { object } = await generateObject({ model: client(model), schema: z.object({ answer: z.number() }), prompt: "6 times 7" });
      assert.deepEqual(object, { answer: 42 });
    };
  }
}
for (const [name, client] of Object.entries(clients(poorKey))) {
  tests[`${name} a budget is said once`] = async () => {
    const error = await generateText({ model: client("openai/gpt"), prompt: "hi" }).then(() => null, (error) => error);
    assert.equal(error?.statusCode, 402, String(error));
    assert.match(error.message, /[Bb]udget/);
    assert.equal((await calls()).length, 0);
  };
}
const chat = async (model, text, apiKey = key) => {
  const transport = new DefaultChatTransport({ api: `${url}/api/chat`, headers: { authorization: `Bearer ${apiKey}` }, body: { model } });
  const messages = [{ id: "m1", role: "user", parts: [{ type: "text", text }] }];
  const stream = await transport.sendMessages({ chatId: "c1", trigger: "submit-message", messageId: undefined, messages, abortSignal: undefined });
  let last;
  const errors = [];
  for await (const message of readUIMessageStream({ stream, onError: (error) => errors.push(error), terminateOnError: false })) last = message;
  return { message: last, errors };
};
for (const model of models) {
  tests[`useChat's transport ${model}`] = async () => {
    const { message, errors } = await chat(model, "good day");
    assert.deepEqual(errors, []);
    assert.equal(message.parts.filter((part) => part.type === "text").map((part) => part.text).join(""), "Hello! You said: good day");
    assert.ok(message.metadata.traceId);
    assert.ok(JSON.stringify(message.metadata).includes("usage"));
  };
  tests[`useChat's transport, a failure ${model}`] = async () => {
    const { errors } = await chat(model.replace(/\/.*/, "/cut"), "a b c d e f g h");
    assert.equal(JSON.parse(errors[0].message).code, "upstream_failed");
  };
}
tests["useChat's transport, a budget"] = async () => {
  await assert.rejects(chat("openai/gpt", "hi", poorKey), (error) => /[Bb]udget/.test(error.message));
};
await run(`ai ${require("ai/package.json").version}`, tests);
