// What the bytes of an answer say: server-sent events, which of them are new, and the facts in its head.

import type { UIMessageChunk } from "ai";

export interface StreamEvent {
  /** The event's number in its stream, from 1, where the server numbers them. */
  id?: number;
  data: string;
}

/** What the head of an answer tells. It also becomes `message.metadata.haltline`. */
export interface AnswerFacts {
  requestId?: string;
  streamId?: string;
  model?: string;
  provider?: string;
  /** What was asked for and what answers, when a cheaper model had to. */
  degraded?: { from: string; to: string };
  /** The same, when what was asked for failed. */
  fallback?: { from: string; to: string };
  /** `hit`, or `stale` when a kept answer stands in for one that failed. */
  cache?: string;
  /** Seconds, of an answer out of the cache. */
  age?: number;
}

/** Cuts text into events, however it arrives. What is not ended by a blank line is no event. */
export class EventReader {
  #rest = "";
  #decoder = new TextDecoder();

  read(bytes: Uint8Array): StreamEvent[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const frames = this.#rest.split(/\r?\n\r?\n/);
    this.#rest = frames.pop() ?? "";
    return frames.flatMap((frame) => event(frame) ?? []);
  }
}

function event(frame: string): StreamEvent | undefined {
  const data: string[] = [];
  let id: number | undefined;
  for (const line of frame.split(/\r?\n/)) {
    const value = line.slice(line.indexOf(":") + 1).replace(/^ /, "");
    if (line.startsWith("data:")) data.push(value);
    else if (line.startsWith("id:") && /^\d{1,15}$/.test(value)) id = Number(value);
  }
  return data.length > 0 ? { id, data: data.join("\n") } : undefined;
}

/**
 * How far a stream has been taken, over all its connections. By the events' numbers; without numbers
 * by counting, where a connection that begins with `start` is a replay of the whole.
 */
export class Cursor {
  /** Events taken. */
  at = 0;
  numbered = false;
  #messageId?: string;
  #counted = 0;
  #replay?: boolean;

  /** A new connection begins. */
  connect(): void {
    this.#counted = 0;
    this.#replay = undefined;
  }

  /** New, known from an earlier connection, or of another answer than the one that was begun. */
  judge(id: number | undefined, chunk: UIMessageChunk): "new" | "known" | "other" {
    if (chunk.type === "start" && chunk.messageId) {
      this.#messageId ??= chunk.messageId;
      if (chunk.messageId !== this.#messageId) return "other";
    }
    if (id !== undefined) {
      this.numbered = true;
      if (id <= this.at) return "known";
      this.at = id;
      return "new";
    }
    // Signs of life: nobody keeps them, so they do not count.
    if (this.numbered || ("transient" in chunk && chunk.transient)) return "new";
    this.#replay ??= this.at > 0 && chunk.type === "start";
    if (this.#replay && this.#counted < this.at) {
      this.#counted++;
      return "known";
    }
    this.at++;
    this.#counted++;
    return "new";
  }
}

export function factsOf(headers: Headers): AnswerFacts {
  const facts: AnswerFacts = {};
  const put = (name: "requestId" | "streamId" | "model" | "provider" | "cache", header: string) => {
    const value = headers.get(header);
    if (value) facts[name] = value;
  };
  put("requestId", "x-request-id");
  put("streamId", "x-haltline-stream-id");
  put("model", "x-haltline-model");
  put("provider", "x-haltline-provider");
  put("cache", "x-haltline-cache");
  const [from, to] = headers.get("x-haltline-degraded")?.split(" -> ") ?? [];
  if (from && to) facts.degraded = { from, to };
  const age = headers.get("age");
  if ((facts.cache === "hit" || facts.cache === "stale") && age && Number(age) >= 0) facts.age = Number(age);
  return facts;
}

/** What a transient `data-status` tells of the answer's origin: it comes when the head is long out. */
function news(chunk: UIMessageChunk, facts: AnswerFacts): boolean {
  if (chunk.type !== "data-status" || typeof chunk.data !== "object" || chunk.data === null) return false;
  const { state, from, to, model, provider, age } = chunk.data as Record<string, unknown>;
  if (typeof model === "string") facts.model = model;
  if (typeof provider === "string") facts.provider = provider;
  if (state === "degraded" && typeof from === "string" && typeof to === "string") facts.degraded = { from, to };
  if (state === "fallback" && typeof from === "string" && typeof model === "string" && from !== model) facts.fallback = { from, to: model };
  if (state === "cached") facts.cache = "stale";
  if (state === "cached" && typeof age === "number") facts.age = age;
  return state === "degraded" || state === "fallback" || state === "cached";
}

/** Adds to a chunk what the page would otherwise not learn. */
export function dress(chunk: UIMessageChunk, facts: AnswerFacts): UIMessageChunk[] {
  if (news(chunk, facts)) return [chunk, { type: "message-metadata", messageMetadata: { haltline: { ...facts } } }];
  if (chunk.type === "start" && Object.keys(facts).length > 0) {
    const told = typeof chunk.messageMetadata === "object" ? chunk.messageMetadata : {};
    return [{ ...chunk, messageMetadata: { ...told, haltline: { ...facts } } }];
  }
  // The AI SDK drops an `abort`: without this a stopped answer would look whole after a reload.
  if (chunk.type === "abort") return [{ type: "message-metadata", messageMetadata: { stopped: true } }, chunk];
  return [chunk];
}
