// The gateway's routes for pages, as the contract has them, with answers that a test writes: for what
// cannot be ordered from a real gateway at will (every error, every phase, breaks at a given event).

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";

export const WORDS = "A gateway stands between an app and its models. It counts what is spent, and nothing is lost: not a word.".split(/(?= )/);
export const TEXT = WORDS.join("");

/** What an answer does; what is left out is as it usually is. */
const USUAL = {
  status: 200,
  headers: {},
  body: undefined, // of a refusal
  words: WORDS,
  interval: 30,
  wait: 0, // before the first word
  phases: [], // [milliseconds, data]
  cost: "0.0042",
  error: undefined, // the object of an error that ends the stream, after `errorAfter` words
  errorAfter: 4,
  cutAfter: undefined, // words after which connections break, once
};

export async function startFake() {
  const streams = new Map(); // by request id
  const chats = new Map(); // chat id -> request id
  const keys = new Map(); // idempotency key -> { id, body }
  const sockets = new Set();
  const requests = [];
  const stops = [];
  const scripts = [];
  let down = false;

  const server = createServer(async (request, response) => {
    if (down) return request.socket.destroy();
    let body = "";
    for await (const part of request) body += part;
    const { pathname, searchParams } = new URL(request.url, "http://x");
    requests.push({ method: request.method, path: pathname, query: searchParams, headers: request.headers, body });
    const [, chatId, last] = /^\/api\/chat\/([^/]+)\/(stream|stop)$/.exec(pathname) ?? [];
    if (request.method === "POST" && pathname === "/api/chat") return generate(request, response, body);
    const stream = streams.get(chats.get(chatId));
    if (request.method === "GET" && last === "stream") {
      if (!stream) return response.writeHead(204).end();
      return follow(stream, request, response, Number(searchParams.get("starting_after") ?? 0));
    }
    if (request.method === "POST" && last === "stop") {
      stops.push(chatId);
      stream?.stop();
      return response.writeHead(stream ? 200 : 204, { "content-type": "application/json" }).end(stream ? '{"stopped":true}' : "");
    }
    response.writeHead(404).end("{}");
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  function generate(request, response, body) {
    const key = request.headers["idempotency-key"];
    const known = key && keys.get(key);
    if (known && known.body !== body) {
      return response.writeHead(422, { "content-type": "application/json" }).end(JSON.stringify(problem("idempotency_key_reused", "Another body.", "user_actionable")));
    }
    if (known) return follow(streams.get(known.id), request, response, 0);
    const script = { ...USUAL, ...scripts.shift() };
    if (script.status !== 200) {
      return response.writeHead(script.status, { "content-type": "application/json", "x-request-id": "req_0f00", ...script.headers }).end(JSON.stringify(script.body));
    }
    const id = `req_${randomUUID().replaceAll("-", "")}`;
    const stream = perform(id, script);
    streams.set(id, stream);
    chats.set(JSON.parse(body).id, id);
    if (key) keys.set(key, { id, body });
    follow(stream, request, response, 0);
  }

  /** Writes a stream's events, whoever watches. */
  function perform(id, script) {
    const stream = { id, script, events: [], ended: false, watchers: new Set(), stop: () => {}, cut: script.cutAfter };
    const put = (event) => {
      stream.events.push(event);
      for (const watcher of [...stream.watchers]) watcher();
    };
    const end = (...events) => {
      if (stream.ended) return;
      clearTimeout(timer);
      events.forEach(put);
      stream.ended = true;
      for (const watcher of [...stream.watchers]) watcher();
    };
    let at = 0;
    let open = false;
    const metadata = () => ({ usage: { inputTokens: 9, outputTokens: at, totalTokens: at + 9 }, cost: ((Number(script.cost) * at) / Math.max(1, script.words.length)).toFixed(6) });
    stream.stop = () => end(...(open ? [{ type: "text-end", id: "text-1" }] : []), { type: "message-metadata", messageMetadata: metadata() }, { type: "abort" });
    put({ type: "start", messageId: `msg_${id}`, messageMetadata: { traceId: "4bf92f3577b34da6a3ce929d0e0e4736" } });
    put({ type: "start-step" });
    for (const [after, data] of script.phases) setTimeout(() => !stream.ended && put({ type: "data-status", data, transient: true }), after);
    const next = () => {
      if (stream.ended) return;
      if (!open) put({ type: "text-start", id: "text-1" });
      open = true;
      if (script.error && at === script.errorAfter) {
        return end({ type: "text-end", id: "text-1" }, { type: "message-metadata", messageMetadata: metadata() }, { type: "error", errorText: JSON.stringify(script.error) });
      }
      if (at === script.words.length) {
        return end({ type: "text-end", id: "text-1" }, { type: "finish-step" }, { type: "finish", finishReason: "stop", messageMetadata: metadata() });
      }
      put({ type: "text-delta", id: "text-1", delta: script.words[at++] });
      if (at === stream.cut) {
        stream.cut = undefined;
        setTimeout(cut, 5);
      }
      timer = setTimeout(next, script.interval);
    };
    let timer = setTimeout(next, script.wait + script.interval);
    return stream;
  }

  /** One watcher of a stream. */
  function follow(stream, request, response, from) {
    const numbered = request.headers["x-haltline-event-ids"] === "1";
    response.writeHead(200, {
      "content-type": "text/event-stream", "x-vercel-ai-ui-message-stream": "v1", "x-request-id": stream.id, "x-haltline-stream-id": stream.id,
      "x-haltline-model": "test-large", "x-haltline-provider": "test", ...stream.script.headers,
    });
    response.write(": accepted\n\n");
    const tell = () => {
      for (; from < stream.events.length; from++) response.write(`${numbered ? `id: ${from + 1}\n` : ""}data: ${JSON.stringify(stream.events[from])}\n\n`);
      if (!stream.ended) return;
      leave();
      response.end("data: [DONE]\n\n");
    };
    const beat = setInterval(() => response.write('data: {"type":"data-status","data":{"state":"waiting"},"transient":true}\n\n'), 10_000);
    const leave = () => {
      clearInterval(beat);
      stream.watchers.delete(tell);
    };
    response.on("close", leave);
    stream.watchers.add(tell);
    tell();
  }

  const cut = () => sockets.forEach((socket) => socket.destroy());
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    stops,
    /** What the next answers do. */
    next: (...more) => void scripts.push(...more),
    /** Breaks all connections; the answers go on. */
    cut,
    /** Away for some time. */
    away(milliseconds) {
      down = true;
      cut();
      setTimeout(() => (down = false), milliseconds);
    },
    forget: () => (streams.clear(), chats.clear()),
    asked: () => requests.filter(({ method, path }) => method === "POST" && path === "/api/chat"),
    reset: () => (requests.splice(0), stops.splice(0), scripts.splice(0)),
    close: () => (cut(), server.close()),
  };
}

/** An error in the gateway's own shape. */
export function problem(code, message, kind, more = {}) {
  return { code, message, trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", action: kind,
    haltline: { class: kind, retryable: kind === "retryable", request_id: "req_0f00", trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", doc: `/errors/${code}`, ...more } };
}
