// The transport against a server that breaks off wherever it can. Run: npm test (Node.js 22.18 or newer).

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { readUIMessageStream, type UIMessage, type UIMessageChunk } from "ai";
import { errorText, HaltlineError, parseProblem, problemOf } from "./haltline-problem.ts";
import { type ConnectionState, createHaltlineChatTransport, type TransportOptions } from "./haltline-transport.ts";

const WORDS = ["Nothing", " is", " lost", ",", " not", " a", " word", ".\n\nSure", "ly: ü€😀"];
const TEXT = WORDS.join("");

/** A whole answer as the gateway writes it. */
function answer(messageId = "msg_1"): object[] {
  return [
    { type: "start", messageId, messageMetadata: { traceId: "t1" } },
    { type: "start-step" },
    { type: "text-start", id: "text-1" },
    ...WORDS.map((delta) => ({ type: "text-delta", id: "text-1", delta })),
    { type: "text-end", id: "text-1" },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop", messageMetadata: { cost: "0.0004" } },
  ];
}

interface Script {
  /** Events carry numbers, and a tail can be asked for. */
  numbered: boolean;
  /** Where each connection breaks, in events or bytes; one that has no entry does not. */
  breaks: { events?: number; bytes?: number }[];
  events: object[];
  beat: boolean;
  resume: (request: IncomingMessage, response: ServerResponse, serve: () => void) => void;
  send: (request: IncomingMessage, response: ServerResponse, serve: () => void) => void;
  stop: (response: ServerResponse) => void;
}

let script: Script;
let requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  requests.push({ method: request.method!, url: request.url!, headers: request.headers, body });
  const { pathname } = new URL(request.url!, "http://x");
  if (pathname.endsWith("/stop")) return script.stop(response);
  const serve = () => {
    const from = Number(new URL(request.url!, "http://x").searchParams.get("starting_after") ?? 0);
    const end = script.breaks.shift();
    let out = "";
    script.events.forEach((event, index) => {
      if (index < from || (end?.events !== undefined && index >= end.events)) return;
      if (script.beat) out += ': waiting\n\ndata: {"type":"data-status","data":{"state":"waiting"},"transient":true}\n\n';
      out += `${script.numbered ? `id: ${index + 1}\n` : ""}data: ${JSON.stringify(event)}\n\n`;
    });
    let bytes = Buffer.from(end ? out : `${out}data: [DONE]\n\n`);
    if (end?.bytes !== undefined) bytes = bytes.subarray(0, end.bytes);
    response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_1", "x-haltline-model": "m" });
    if (!end) return response.end(bytes);
    // A clean end that is none, or a reset.
    if (script.breaks.length % 2 === 0) return response.end(bytes);
    response.flushHeaders();
    response.write(bytes, () => setImmediate(() => response.destroy()));
  };
  if (request.method === "POST") return script.send(request, response, serve);
  script.resume(request, response, serve);
});

let origin = "";
before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
  script = {
    numbered: true,
    breaks: [],
    events: answer(),
    beat: false,
    resume: (_request, _response, serve) => serve(),
    send: (_request, _response, serve) => serve(),
    stop: (response) => void response.writeHead(204).end(),
  };
});

/** A browser that tests can take offline and out of sight. */
function surroundings() {
  const watchers = new Set<() => void>();
  const state = { online: true, visible: true };
  return {
    online: () => state.online,
    visible: () => state.visible,
    watch: (changed: () => void) => (watchers.add(changed), () => void watchers.delete(changed)),
    set(change: Partial<typeof state>) {
      Object.assign(state, change);
      for (const changed of [...watchers]) changed();
    },
  };
}

const question: UIMessage = { id: "u1", role: "user", parts: [{ type: "text", text: "Is anything lost?" }] };

function transport(options: TransportOptions = {}) {
  return createHaltlineChatTransport({ api: `${origin}/api/chat`, delays: [1, 2], patience: 200, ...options });
}
type Transport = ReturnType<typeof transport>;

function send(made: Transport, more: { headers?: Record<string, string>; abortSignal?: AbortSignal } = {}) {
  return made.sendMessages({
    chatId: "c1", messages: [question], trigger: "submit-message", messageId: undefined, abortSignal: undefined, ...more,
  });
}

async function collect(stream: ReadableStream<UIMessageChunk>): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const said = (chunks: UIMessageChunk[]) => chunks.map((chunk) => (chunk.type === "text-delta" ? chunk.delta : "")).join("");
const lasting = (chunks: UIMessageChunk[]) => chunks.filter((chunk) => !("transient" in chunk && chunk.transient)).map((chunk) => chunk.type);
const whole = (chunks: UIMessageChunk[]) => {
  assert.equal(said(chunks), TEXT);
  assert.deepEqual(lasting(chunks), answer().map((chunk) => (chunk as { type: string }).type));
};

for (const numbered of [true, false]) {
  for (const beat of [false, true]) {
    test(`a drop after any chunk loses and repeats nothing (numbered: ${numbered}, heartbeats: ${beat})`, async () => {
      for (let at = 0; at < answer().length; at++) {
        Object.assign(script, { numbered, beat, breaks: [{ events: at }] });
        requests = [];
        whole(await collect(await send(transport())));
        const resumed = requests[1]!;
        assert.equal(resumed.method, "GET");
        assert.equal(resumed.url, `/api/chat/c1/stream${numbered && at > 0 ? `?starting_after=${at}` : ""}`);
        assert.equal(resumed.headers["last-event-id"], numbered && at > 0 ? String(at) : undefined);
      }
    });
  }

  test(`a drop after any byte, twice, loses and repeats nothing (numbered: ${numbered})`, async () => {
    const bytes = answer().reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)) + 15, 0);
    for (let at = 0; at < bytes; at += 5) {
      Object.assign(script, { numbered, breaks: [{ bytes: at }, { bytes: at % 97 }] });
      whole(await collect(await send(transport())));
    }
  });
}

test("a server that ignores the cursor and plays everything again is seen through", async () => {
  script.breaks = [{ events: 6 }];
  script.resume = (request, _response, serve) => {
    request.url = request.url!.replace(/\?.*/, "");
    serve();
  };
  whole(await collect(await send(transport())));
});

test("the AI SDK's own reducer makes one whole message of it", async () => {
  Object.assign(script, { numbered: false, breaks: [{ events: 5 }, { events: 8 }] });
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream: await send(transport()) })) last = message;
  assert.equal(last!.id, "msg_1");
  assert.deepEqual(last!.parts.filter((part) => part.type === "text").map((part) => part.text), [TEXT]);
  assert.deepEqual(last!.metadata, { traceId: "t1", cost: "0.0004", haltline: { requestId: "req_1", model: "m" } });
});

test("half an answer whose rest is gone is an error, never a success", async () => {
  script.breaks = [{ events: 7 }];
  script.resume = (_request, response) => void response.writeHead(204).end();
  const chunks = await collect(await send(transport()));
  const last = chunks.at(-1)!;
  assert.equal(last.type, "error");
  const problem = parseProblem(new Error((last as { errorText: string }).errorText));
  assert.deepEqual([problem.code, problem.action, problem.retryable], ["stream_gone", "retry", false]);
});

test("a newer answer of the same chat is not taken for the rest", async () => {
  Object.assign(script, { numbered: false, breaks: [{ events: 5 }] });
  script.resume = (_request, _response, serve) => {
    script.events = answer("msg_2");
    serve();
  };
  const chunks = await collect(await send(transport()));
  assert.equal(chunks.at(-1)!.type, "error");
  assert.equal(said(chunks), "Nothing is");
});

test("a request that broke before its first chunk is asked again under the same key", async () => {
  script.breaks = [{ bytes: 0 }];
  script.resume = (_request, response) => void response.writeHead(204).end();
  whole(await collect(await send(transport())));
  const [first, , second] = requests;
  assert.deepEqual([first!.method, second!.method], ["POST", "POST"]);
  assert.equal(second!.headers["idempotency-key"], first!.headers["idempotency-key"]);
  assert.equal(second!.body, first!.body);
});

test("a server that is away for some attempts is waited for", async () => {
  script.breaks = [{ events: 5 }];
  let away = 3;
  script.resume = (_request, response, serve) => {
    if (away-- > 0) response.writeHead(away % 2 ? 502 : 429).end();
    else serve();
  };
  const states: ConnectionState[] = [];
  whole(await collect(await send(transport({ onConnection: (_chat, state) => states.push(state) }))));
  assert.deepEqual(states, ["connecting", "open", "reconnecting", "open", "idle"]);
});

test("patience has an end, and the end is an error", async () => {
  script.breaks = [{ events: 5 }];
  script.resume = (_request, response) => response.destroy() as unknown as void;
  const chunks = await collect(await send(transport({ patience: 20 })));
  const problem = parseProblem(new Error((chunks.at(-1) as { errorText: string }).errorText));
  assert.deepEqual([problem.code, problem.action], ["connection_lost", "reconnect"]);
});

test("a refusal on the way back is told", async () => {
  script.breaks = [{ events: 5 }];
  script.resume = (_request, response) => void response.writeHead(401).end('{"code":"key_expired","message":"Sign in."}');
  const chunks = await collect(await send(transport()));
  assert.equal(parseProblem(new Error((chunks.at(-1) as { errorText: string }).errorText)).action, "sign_in");
});

test("offline it waits without a request, and goes on at once when the network is back", async () => {
  const around = surroundings();
  const states: ConnectionState[] = [];
  let held: ServerResponse | undefined;
  script.send = (_request, response) => {
    held = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    answer().slice(0, 5).forEach((event, n) => response.write(`id: ${n + 1}\ndata: ${JSON.stringify(event)}\n\n`));
  };
  const made = transport({ surroundings: around, delays: [60_000], onConnection: (_chat, state) => states.push(state) });
  const chunks = collect(await send(made));
  await until(() => states.includes("open"));
  around.set({ online: false });
  held!.destroy();
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(made.connection("c1"), "offline");
  assert.equal(requests.length, 1);
  around.set({ online: true });
  whole(await chunks);
  assert.equal(requests.length, 2);
  assert.deepEqual(states, ["connecting", "open", "offline", "reconnecting", "open", "idle"]);
});

test("a connection from before a loss of the network is replaced though it looks open", async () => {
  const around = surroundings();
  script.send = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    answer().slice(0, 7).forEach((event, n) => response.write(`id: ${n + 1}\ndata: ${JSON.stringify(event)}\n\n`));
  };
  const made = transport({ surroundings: around, delays: [60_000] });
  const stream = await send(made);
  const chunks = collect(stream);
  await new Promise((done) => setTimeout(done, 30));
  around.set({ online: false });
  around.set({ online: true });
  whole(await chunks);
  assert.equal(requests[1]!.url, "/api/chat/c1/stream?starting_after=7");
});

test("out of sight it waits; in sight it goes on at once; and people need not wait at all", async () => {
  for (const wake of ["visible", "now"]) {
    requests = [];
    script.breaks = [{ events: 5 }];
    const around = surroundings();
    const made = transport({ surroundings: around, delays: [60_000] });
    if (wake === "visible") around.set({ visible: false });
    const chunks = collect(await send(made));
    await until(() => made.connection("c1") === "reconnecting");
    assert.equal(requests.length, 1);
    if (wake === "visible") around.set({ visible: true });
    else made.reconnectNow("c1");
    whole(await chunks);
  }
});

test("a silent connection counts as dead", async () => {
  script.send = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`id: 1\ndata: ${JSON.stringify(answer()[0])}\n\n`);
  };
  whole(await collect(await send(transport({ silence: 40 }))));
});

test("204 and 404 mean that there is nothing to resume", async () => {
  for (const status of [204, 404]) {
    script.resume = (_request, response) => void response.writeHead(status).end();
    assert.equal(await transport().reconnectToStream({ chatId: "c1" }), null);
  }
});

test("a resume after a reload plays the whole answer, over drops too", async () => {
  script.breaks = [{ events: 4 }];
  const stream = await transport().reconnectToStream({ chatId: "c1" });
  whole(await collect(stream!));
  assert.deepEqual(requests.map((request) => request.url), ["/api/chat/c1/stream", "/api/chat/c1/stream?starting_after=4"]);
});

test("every generation has a key; the same key sends the same bytes; a new one buys anew", async () => {
  const made = transport();
  await collect(await send(made));
  const { key } = made.generation("c1")!;
  await collect(await made.sendMessages({
    chatId: "c1", messages: [], trigger: "regenerate-message", messageId: "x", abortSignal: undefined, headers: { "Idempotency-Key": key },
  }));
  await collect(await send(made));
  const [first, same, other] = requests;
  assert.equal(same!.body, first!.body);
  assert.equal(same!.headers["idempotency-key"], key);
  assert.notEqual(other!.headers["idempotency-key"], key);
  const reloaded = transport();
  reloaded.restore("c1", { key, body: first!.body });
  await collect(await send(reloaded, { headers: { "idempotency-key": key } }));
  assert.equal(requests[3]!.body, first!.body);
});

test("stop tells the server; the stream ends with what was written and its cost", async () => {
  let open: ServerResponse | undefined;
  script.send = (_request, response) => {
    open = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    answer().slice(0, 5).forEach((event, n) => response.write(`id: ${n + 1}\ndata: ${JSON.stringify(event)}\n\n`));
  };
  script.stop = (response) => {
    response.writeHead(204).end();
    open!.write('id: 6\ndata: {"type":"text-end","id":"text-1"}\n\nid: 7\ndata: {"type":"message-metadata","messageMetadata":{"cost":"0.0001"}}\n\n');
    open!.end('id: 8\ndata: {"type":"abort"}\n\ndata: [DONE]\n\n');
  };
  const made = transport();
  const chunks = collect(await send(made));
  await made.stop("c1");
  const all = await chunks;
  assert.deepEqual(lasting(all).slice(-4), ["text-end", "message-metadata", "message-metadata", "abort"]);
  assert.deepEqual((all.at(-2) as { messageMetadata: object }).messageMetadata, { stopped: true });
  assert.equal(requests[1]!.url, "/api/chat/c1/stop");
  assert.equal(requests.length, 2);
});

test("a stop that cannot be told is told later, but never to a newer generation", async () => {
  let fails = 2;
  script.stop = (response) => (fails-- > 0 ? void response.destroy() : void response.writeHead(204).end());
  script.send = (_request, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  const made = transport();
  const stream = await send(made);
  await made.stop("c1");
  assert.equal(requests.filter((request) => request.url.endsWith("/stop")).length, 3);
  fails = 1000;
  const stopped = made.stop("c1");
  await stream.cancel();
  await send(made).then((next) => next.cancel());
  const before = requests.length;
  await stopped;
  await new Promise((done) => setTimeout(done, 20));
  assert.ok(requests.slice(before + 1).every((request) => !request.url.endsWith("/stop")));
});

test("where an answer comes from is kept with it, also when that turns out late", async () => {
  const status = (data: object) => ({ type: "data-status", data, transient: true });
  script.events = [...answer().slice(0, 2), status({ state: "fallback", attempt: 2, from: "big", provider: "p", model: "other" }), ...answer().slice(2)];
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream: await send(transport()) })) last = message;
  const { haltline } = last!.metadata as { haltline: object };
  assert.deepEqual(haltline, { requestId: "req_1", model: "other", provider: "p", fallback: { from: "big", to: "other" } });
});

test("leaving is not stopping: a cancelled stream makes no more requests", async () => {
  script.send = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(answer()[0])}\n\n`);
  };
  const control = new AbortController();
  const stream = await send(transport(), { abortSignal: control.signal });
  const reading = collect(stream).catch((error: Error) => error.name);
  setTimeout(() => control.abort(), 20);
  assert.equal(await reading, "AbortError");
  await new Promise((done) => setTimeout(done, 30));
  assert.equal(requests.length, 1);
});

test("a refusal before the stream is an error with everything in it", async () => {
  const body = { code: "budget_exceeded", message: "Budget \"user-day\" is used up.", trace_id: "t", action: "user_actionable",
    haltline: { class: "user_actionable", retryable: false, budget: "user-day", resets_at: "2026-11-27T00:00:00Z", request_id: "req_9", trace_id: "t" } };
  script.send = (_request, response) => void response.writeHead(402, { "content-type": "application/json" }).end(JSON.stringify(body));
  const error = (await send(transport()).catch((error: unknown) => error)) as HaltlineError;
  assert.ok(error instanceof HaltlineError);
  assert.equal(requests.length, 1);
  assert.deepEqual(error.problem, {
    code: "budget_exceeded", class: "user_actionable", message: body.message, action: "wait", status: 402, retryable: false, budget: "user-day",
    scope: undefined, resetsAt: new Date("2026-11-27T00:00:00Z"), retryAfter: undefined, requestId: "req_9", traceId: "t",
  });
});

test("a rate limit says how long to wait", async () => {
  script.send = (_request, response) => void response.writeHead(429, { "retry-after": "6" })
    .end('{"code":"rate_limited","message":"Slower.","haltline":{"class":"retryable","retryable":true}}');
  const error = (await send(transport()).catch((error: unknown) => error)) as HaltlineError;
  assert.deepEqual([error.problem.action, error.problem.retryAfter], ["retry", 6000]);
});

test("problems are read in every shape", () => {
  const facts = { class: "retryable", retryable: true, request_id: "r", trace_id: "t" };
  const flat = { code: "overloaded", message: "Busy.", haltline: facts };
  const shapes: unknown[] = [
    flat,
    JSON.stringify(flat),
    new Error(JSON.stringify(flat)),
    Object.assign(new Error("Busy."), { statusCode: 503, responseBody: JSON.stringify(flat) }),
    { error: { message: "Busy.", type: "server_error", code: "overloaded", haltline: facts } },
    { type: "error", error: { type: "overloaded_error", message: "Busy.", haltline: { ...facts, code: "overloaded" } }, request_id: "r" },
    new HaltlineError(parseProblem(flat)),
    errorText(parseProblem(flat)),
  ];
  for (const shape of shapes) {
    const { code, message, retryable, requestId, action } = parseProblem(shape);
    assert.deepEqual({ code, message, retryable, requestId, action }, { code: "overloaded", message: "Busy.", retryable: true, requestId: "r", action: "retry" });
  }
  assert.equal(parseProblem(new TypeError("network error")).code, "connection_lost");
  assert.equal(parseProblem("<html>", 500).code, "http_500");
  assert.equal(parseProblem(undefined).action, "report");
  assert.equal(problemOf("content_filter", "No.").action, "edit");
});

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !condition(); ) {
    assert.ok(Date.now() < end, "it did not come to that");
    await new Promise((done) => setTimeout(done, 2));
  }
}
