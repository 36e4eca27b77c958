// A `ChatTransport` for `useChat` that loses nothing: a dropped connection is taken up again where it
// broke, a repeated request is the same generation, a stop is a stop at the server. It needs the AI
// SDK's types only, and works with versions 6 and 7.
//
// The server's side is `POST {api}`, `GET {api}/{chat}/stream` and `POST {api}/{chat}/stop`, as Haltline
// serves them (or an app's own routes that pass them through).

import type { ChatTransport, UIMessage, UIMessageChunk } from "ai";
import { type AnswerFacts, Cursor, dress, EventReader, factsOf, type StreamEvent } from "./haltline-events.ts";
import { type Action, errorText, HaltlineError, parseProblem, type Problem, problemOf } from "./haltline-problem.ts";

export type { AnswerFacts, Problem };
export { HaltlineError, parseProblem, problemOf };
export type ConnectionState = "idle" | "connecting" | "open" | "reconnecting" | "offline";

/** What is needed to ask for the same generation again, also after a reload. */
export interface Generation {
  key: string;
  body: string;
}

/** Whether it makes sense to try: replaced in tests. */
export interface Surroundings {
  online(): boolean;
  visible(): boolean;
  /** Calls back when one of them may have changed. */
  watch(changed: () => void): () => void;
}

export interface TransportOptions {
  /** Default `/api/chat`. */
  api?: string;
  headers?: Record<string, string> | (() => Record<string, string>);
  /** Added to the body of every generation. */
  body?: object | (() => object);
  credentials?: RequestCredentials;
  fetch?: typeof fetch;
  /** Milliseconds before each attempt to reconnect; the last goes on. */
  delays?: number[];
  /** Milliseconds of waiting, online and in sight, after which it is given up. */
  patience?: number;
  /** Milliseconds without a byte after which a connection counts as dead. The gateway gives signs of life every 10 s. */
  silence?: number;
  surroundings?: Surroundings;
  onConnection?: (chatId: string, state: ConnectionState) => void;
  onFacts?: (chatId: string, facts: AnswerFacts) => void;
  onChunk?: (chatId: string, chunk: UIMessageChunk) => void;
}

export type HaltlineChatTransport<M extends UIMessage = UIMessage> = ChatTransport<M> & {
  /** Stops the generation at the server. The stream then ends by itself, with the cost. */
  stop(chatId: string): Promise<void>;
  /** Does not wait for the next attempt. */
  reconnectNow(chatId: string): void;
  connection(chatId: string): ConnectionState;
  /**
   * The generation that was asked for last. Its key as `Idempotency-Key` in the headers of `regenerate`
   * asks for the same again; without it, for a new one.
   */
  generation(chatId: string): Generation | undefined;
  /** Knows it again after a reload. */
  restore(chatId: string, generation: Generation): void;
};

/** One answer, over all its connections. */
interface Run {
  chatId: string;
  state: ConnectionState;
  generation?: Generation;
  facts: AnswerFacts;
  control: AbortController;
  cursor: Cursor;
  /** Attempts and milliseconds of waiting since the last news. */
  attempts: number;
  waited: number;
  stopping: boolean;
  /** The next attempt is made at once. */
  hurry: boolean;
  /** Ends a wait, or a connection that should be replaced. */
  poke?: () => void;
}

const KEY = "idempotency-key";
const GIVEN_UP = "The server cannot be reached.";

export function createHaltlineChatTransport<M extends UIMessage = UIMessage>(
  options: TransportOptions = {},
): HaltlineChatTransport<M> {
  const { api = "/api/chat", delays = [1000, 2000, 4000, 8000], patience = 120_000, silence = 45_000 } = options;
  const around = options.surroundings ?? browser();
  const runs = new Map<string, Run>();

  const call = (url: string, init: RequestInit) =>
    (options.fetch ?? globalThis.fetch)(url, { credentials: options.credentials ?? "same-origin", ...init });
  const common = (more?: Record<string, string> | Headers): Record<string, string> => {
    const own = typeof options.headers === "function" ? options.headers() : options.headers;
    return Object.fromEntries([...new Headers(own), ...new Headers(more)]);
  };
  const place = (chatId: string, last: string) => `${api}/${encodeURIComponent(chatId)}/${last}`;

  function enter(run: Run, state: ConnectionState) {
    if (run.state === state) return;
    run.state = state;
    if (runs.get(run.chatId) === run) options.onConnection?.(run.chatId, state);
  }

  function fresh(chatId: string, generation?: Generation, signal?: AbortSignal): Run {
    const control = new AbortController();
    const abort = () => control.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    const run: Run = {
      chatId, state: "idle", generation, facts: {}, control, cursor: new Cursor(), attempts: 0, waited: 0, stopping: false, hurry: false,
    };
    runs.set(chatId, run);
    return run;
  }

  function post(run: Run, headers: Record<string, string>): Promise<Response> {
    const { key, body } = run.generation!;
    const head = { ...headers, "content-type": "application/json", [KEY]: key, "x-haltline-event-ids": "1" };
    return call(api, { method: "POST", headers: head, body, signal: run.control.signal });
  }

  function get(run: Run, headers: Record<string, string>): Promise<Response> {
    const { at, numbered } = run.cursor;
    const head: Record<string, string> = { ...headers, "x-haltline-event-ids": "1" };
    const tail = numbered && at > 0;
    if (tail) head["last-event-id"] = String(at);
    const url = place(run.chatId, "stream") + (tail ? `?starting_after=${at}` : "");
    return call(url, { headers: head, signal: run.control.signal });
  }

  /** Waits before an attempt: not at all on a poke, and as long as it takes while offline or out of sight. */
  function pause(run: Run, wait: number): Promise<void> {
    const { signal } = run.control;
    const ready = () => around.online() && around.visible();
    return new Promise((done, fail) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const leave = (how: () => void) => {
        clearTimeout(timer);
        unwatch();
        signal.removeEventListener("abort", aborted);
        run.poke = undefined;
        how();
      };
      const aborted = () => leave(() => fail(new DOMException("stopped", "AbortError")));
      const look = () => {
        enter(run, around.online() ? "reconnecting" : "offline");
        if (ready() === was) return;
        was = ready();
        clearTimeout(timer);
        if (was) leave(done);
      };
      const unwatch = around.watch(look);
      let was = ready();
      run.poke = () => leave(done);
      enter(run, around.online() ? "reconnecting" : "offline");
      if (was) {
        run.waited += wait;
        timer = setTimeout(() => leave(done), wait * (0.9 + Math.random() * 0.2));
      }
      if (signal.aborted) aborted();
      else signal.addEventListener("abort", aborted);
    });
  }

  /** Asks until there is an answer that waiting would not better; undefined when patience is at its end. */
  async function persist(run: Run, ask: () => Promise<Response>, busy: (status: number) => boolean): Promise<Response | undefined> {
    for (let wait = 0; ; ) {
      if (run.attempts > 0 && !run.hurry) {
        if (run.waited > patience) return undefined;
        await pause(run, Math.max(wait, delays[Math.min(run.attempts, delays.length) - 1] ?? 1000));
      }
      run.hurry = false;
      run.attempts++;
      try {
        const response = await ask();
        if (!busy(response.status)) return response;
        wait = parseProblem("", response.status, response.headers).retryAfter ?? 0;
        await response.body?.cancel();
      } catch (error) {
        if (run.control.signal.aborted) throw error;
      }
    }
  }

  const never = () => false;
  const later = (status: number) => status === 429 || status >= 500;

  async function refused(response: Response): Promise<Problem> {
    return parseProblem(await response.text().catch(() => ""), response.status, response.headers);
  }

  function opened(run: Run, response: Response) {
    run.facts = { ...run.facts, ...factsOf(response.headers) };
    options.onFacts?.(run.chatId, run.facts);
    enter(run, "open");
    // It was stopped before the server knew of it.
    if (run.stopping) tell(run.chatId).catch(() => {});
  }

  /** The chunks of an answer, over as many connections as it takes. */
  async function* follow(run: Run, first: Response, headers: Record<string, string>): AsyncGenerator<UIMessageChunk> {
    let response = first;
    for (let ended = false; ; ) {
      run.cursor.connect();
      try {
        for await (const { id, data } of events(run, response, () => ended)) {
          if (data === "[DONE]") return;
          const chunk = JSON.parse(data) as UIMessageChunk;
          const verdict = run.cursor.judge(id, chunk);
          if (verdict === "other") return yield broken(gone());
          if (verdict === "known") continue;
          run.attempts = run.waited = 0;
          ended ||= chunk.type === "finish" || chunk.type === "error" || chunk.type === "abort";
          for (const dressed of dress(chunk, run.facts)) {
            options.onChunk?.(run.chatId, dressed);
            yield dressed;
          }
        }
      } catch (error) {
        if (run.control.signal.aborted) throw error;
      }
      if (ended) return;
      const next = await again(run, headers);
      if (!(next instanceof Response)) return yield broken(next);
      response = next;
    }
  }

  /** The same answer on a new connection. */
  async function again(run: Run, headers: Record<string, string>): Promise<Response | Problem> {
    run.attempts++;
    let response = await persist(run, () => get(run, headers), later);
    let none = isNone(response);
    // Nothing came yet: the request may never have arrived. The same key does not buy twice.
    if (none && run.cursor.at === 0 && run.generation) {
      run.hurry = true;
      response = await persist(run, () => post(run, headers), never);
      none = false;
    }
    if (!response) return problemOf("connection_lost", "The connection was lost. The answer goes on at the server.", { retryable: true });
    const stream = response.headers.get("x-haltline-stream-id");
    if (none || (stream && run.facts.streamId && stream !== run.facts.streamId)) {
      await response.body?.cancel();
      return gone();
    }
    if (!response.ok) return refused(response);
    opened(run, response);
    return response;
  }

  /** The events of one connection. A silent one, or one from before a loss of the network, is given up. */
  async function* events(run: Run, response: Response, ended: () => boolean): AsyncGenerator<StreamEvent> {
    const reader = response.body?.getReader();
    if (!reader) return;
    const cut = new EventReader();
    let wasOnline = around.online();
    let heard = Date.now();
    let give: () => void = () => {};
    const lost = new Promise<undefined>((resolve) => (give = () => resolve(undefined)));
    run.poke = () => {
      run.hurry = true;
      give();
    };
    const unwatch = around.watch(() => {
      const online = around.online();
      if (!online) enter(run, "offline");
      // What was open before the loss, or slept with the computer, may be dead without a sign.
      else if (!wasOnline || (around.visible() && Date.now() - heard > silence / 3)) run.poke?.();
      wasOnline = online;
    });
    try {
      for (;;) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const quiet = new Promise<undefined>((resolve) => {
          timer = setTimeout(() => resolve(undefined), ended() ? 500 : silence);
        });
        const read = await Promise.race([reader.read(), lost, quiet]).finally(() => clearTimeout(timer));
        if (!read || read.done) return;
        heard = Date.now();
        if (around.online()) enter(run, "open");
        yield* cut.read(read.value);
      }
    } finally {
      run.poke = undefined;
      unwatch();
      reader.cancel().catch(() => {});
    }
  }

  function stream(run: Run, response: Response, headers: Record<string, string>): ReadableStream<UIMessageChunk> {
    opened(run, response);
    const chunks = follow(run, response, headers);
    return new ReadableStream<UIMessageChunk>({
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (!done) return controller.enqueue(value);
          enter(run, "idle");
          controller.close();
        } catch (error) {
          enter(run, "idle");
          controller.error(error);
        }
      },
      cancel() {
        enter(run, "idle");
        run.control.abort();
      },
    });
  }

  async function tell(chatId: string): Promise<void> {
    const response = await call(place(chatId, "stop"), { method: "POST", headers: common(), keepalive: true });
    await response.body?.cancel();
    if (later(response.status)) throw new TypeError(GIVEN_UP);
  }

  /** A run's first answer, or the error that ends it. */
  async function start(run: Run, ask: () => Promise<Response>, busy: (status: number) => boolean, action: Action): Promise<Response> {
    enter(run, "connecting");
    try {
      const response = await persist(run, ask, busy);
      if (!response) throw new HaltlineError(problemOf("connection_lost", GIVEN_UP, { retryable: true, action }));
      if (!response.ok && !isNone(response)) throw new HaltlineError(await refused(response));
      return response;
    } catch (error) {
      enter(run, "idle");
      throw error;
    }
  }

  return {
    resumeStreamIsReplay: true,

    async sendMessages({ chatId, messages, trigger, messageId, abortSignal, headers, body }) {
      const head = common(headers);
      let generation = runs.get(chatId)?.generation;
      // The same key is the same generation: then the very same bytes are sent.
      if (!generation || head[KEY] !== generation.key) {
        const own = typeof options.body === "function" ? options.body() : options.body;
        const whole = { ...own, ...body, id: chatId, messages, trigger, messageId };
        generation = { key: head[KEY] ?? crypto.randomUUID(), body: JSON.stringify(whole) };
      }
      const run = fresh(chatId, generation, abortSignal);
      const response = await start(run, () => post(run, head), never, "retry");
      if (response.ok) return stream(run, response, head);
      enter(run, "idle");
      throw new HaltlineError(await refused(response));
    },

    async reconnectToStream({ chatId, abortSignal, headers }) {
      const run = fresh(chatId, runs.get(chatId)?.generation, abortSignal);
      const head = common(headers);
      const response = await start(run, () => get(run, head), later, "reconnect");
      if (!isNone(response)) return stream(run, response, head);
      await response.body?.cancel();
      enter(run, "idle");
      return null;
    },

    /** Goes on trying when the network is down, unless a newer generation has begun. */
    async stop(chatId) {
      const run = runs.get(chatId);
      if (!run) return tell(chatId);
      run.stopping = true;
      const waiter: Run = { ...run, control: new AbortController(), attempts: 0, waited: 0, hurry: false };
      for (; runs.get(chatId) === run; waiter.attempts++) {
        try {
          return await tell(chatId);
        } catch (error) {
          if (waiter.waited > patience) throw error;
          await pause(waiter, delays[Math.min(waiter.attempts, delays.length - 1)] ?? 1000);
        }
      }
    },

    reconnectNow: (chatId) => runs.get(chatId)?.poke?.(),
    connection: (chatId) => runs.get(chatId)?.state ?? "idle",
    generation: (chatId) => runs.get(chatId)?.generation,
    restore(chatId, generation) {
      const run = runs.get(chatId);
      if (run) run.generation = generation;
      else fresh(chatId, generation);
    },
  };
}

/** There is no such stream. */
const isNone = (response?: Response) => response?.status === 204 || response?.status === 404;
const gone = () => problemOf("stream_gone", "The rest of this answer is not there any more.");
const broken = (problem: Problem): UIMessageChunk => ({ type: "error", errorText: errorText(problem) });

function browser(): Surroundings {
  const here = typeof document !== "undefined";
  return {
    online: () => !here || navigator.onLine,
    visible: () => !here || document.visibilityState === "visible",
    watch(changed) {
      if (!here) return () => {};
      const places = [[window, "online"], [window, "offline"], [document, "visibilitychange"]] as const;
      for (const [target, name] of places) target.addEventListener(name, changed);
      return () => places.forEach(([target, name]) => target.removeEventListener(name, changed));
    },
  };
}
