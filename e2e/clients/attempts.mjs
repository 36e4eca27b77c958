// Every error code times every client: how often the client asks, counted at the server, and
// whether our sentence reaches its user. Arguments: which clients (openai, ai, vendors).
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { assert, run } from "./harness.mjs";

const base = process.env.HALTLINE_E2E_PROBLEMS;
const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(require.resolve(name));
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
const table = readFileSync(new URL("../../docs/reference/errors.md", import.meta.url), "utf8");
// | [code](page) | status | … | x-should-retry |
const codes = [...table.matchAll(/^\| \[(\w+)\]\([^)]*\) \| (\d+) \|.*\| (true|false) \|$/gm)].map(([, code, status, retry]) => ({ code, status: Number(status), retry: retry === "true" }));
const counts = async () => (await fetch(`${base}/counts`)).json();

// Three attempts where a repetition may help. The AI SDK looks at the status alone (ux.md 5.1), so
// our own final 5xx are asked again there; the gateway answers those from memory.
const vendor = ({ retry }) => (retry ? 3 : 1);
const aiSdk = ({ status, retry }) => (retry || status === 408 || status === 409 || status === 429 || status >= 500 ? 3 : 1);
// google-genai repeats nothing unless it is told to.
const never = () => 1;

const clients = {};
if (process.argv.includes("openai")) {
  const { default: OpenAI } = await load("openai");
  const name = `openai-${version("openai")}`;
  const client = (kind, code) => new OpenAI({ baseURL: `${base}/${name}-${kind}/${code}/v1`, apiKey: "k" });
  const messages = [{ role: "user", content: "hi" }];
  clients[`${name}-chat`] = [vendor, (code) => client("chat", code).chat.completions.create({ model: "m", messages })];
  clients[`${name}-stream`] = [vendor, (code) => client("stream", code).chat.completions.create({ model: "m", messages, stream: true })];
  clients[`${name}-responses`] = [vendor, (code) => client("responses", code).responses.create({ model: "m", input: "hi" })];
}
if (process.argv.includes("ai")) {
  const { generateText, DefaultChatTransport } = await load("ai");
  const { createOpenAI } = await load("@ai-sdk/openai");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const { createAnthropic } = await load("@ai-sdk/anthropic");
  const { createGoogleGenerativeAI } = await load("@ai-sdk/google");
  const name = `ai-${version("ai")}`;
  const make = {
    openai: (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "k" })("m"),
    chat: (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "k" }).chat("m"),
    compatible: (url) => createOpenAICompatible({ name: "haltline", baseURL: `${url}/v1`, apiKey: "k" })("m"),
    anthropic: (url) => createAnthropic({ baseURL: `${url}/v1`, apiKey: "k" })("m"),
    google: (url) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: "k" })("m"),
  };
  for (const [kind, model] of Object.entries(make)) {
    clients[`${name}-${kind}`] = [aiSdk, (code) => generateText({ model: model(`${base}/${name}-${kind}/${code}`), prompt: "hi" })];
  }
  clients[`${name}-useChat`] = [never, (code) => {
    const transport = new DefaultChatTransport({ api: `${base}/${name}-useChat/${code}/api/chat` });
    return transport.sendMessages({ chatId: "c", trigger: "submit-message", messages: [{ id: "m", role: "user", parts: [{ type: "text", text: "hi" }] }] });
  }];
}
if (process.argv.includes("vendors")) {
  const { default: Anthropic } = await load("@anthropic-ai/sdk");
  const { GoogleGenAI } = await load("@google/genai");
  clients["anthropic-node"] = [vendor, (code) => new Anthropic({ baseURL: `${base}/anthropic-node/${code}`, apiKey: "k" }).messages.create({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] })];
  clients["google-genai-node"] = [never, (code) => new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: `${base}/google-genai-node/${code}` } }).models.generateContent({ model: "m", contents: "hi" })];
}

const tests = {};
for (const [name, [expected, ask]] of Object.entries(clients)) {
  tests[`${name}: ${codes.length} codes`] = async () => {
    assert.ok(codes.length >= 29, `only ${codes.length} codes in the table`);
    const shown = await Promise.all(codes.map(({ code }) => ask(code).then(() => "no error", (error) => `${error.message} ${error.lastError?.message ?? ""}`)));
    const made = await counts();
    const wrong = [];
    codes.forEach((row, index) => {
      const attempts = made[`${name}/${row.code}`];
      if (attempts !== expected(row)) wrong.push(`${row.code} (${row.status}): ${attempts} attempts, not ${expected(row)}`);
      if (!shown[index].includes(`Haltline says ${row.code}`)) wrong.push(`${row.code}: the user reads "${shown[index]}"`);
    });
    assert.deepEqual(wrong, []);
  };
}
await run("attempts", tests);
