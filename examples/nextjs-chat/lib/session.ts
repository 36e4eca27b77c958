// One chat while the page is open: what it says, what it waits for, and what the user can do about it.
// It lives outside of components, so an answer goes on while another chat is looked at.

import { Chat } from "@ai-sdk/react";
import type { UIMessageChunk } from "ai";
import { costOf } from "./door.ts";
import { type AnswerFacts, type ConnectionState, type HaltlineChatTransport, parseProblem, type Problem, problemOf } from "./haltline-transport.ts";
import { type ChatMessage, load, save, textOf } from "./history.ts";

/** What the gateway says while there is no text yet. */
export interface Phase {
  state: string;
  model?: string;
  provider?: string;
  attempt?: number;
  of?: number;
}

export interface Live {
  /** An answer is awaited or being written. */
  busy: boolean;
  /** When it was asked, when its first text came; milliseconds since 1970. */
  asked?: number;
  first?: number;
  /** Characters of text so far. */
  written: number;
  phase?: Phase;
  connection: ConnectionState;
  facts: AnswerFacts;
  problem?: Problem;
  /** When it is tried again by itself. */
  retryAt?: number;
  stopping: boolean;
  /** Text that goes back to the input. */
  draft?: { text: string; number: number };
}

const RETRIES_MAX = 3;
const KEY = "Idempotency-Key";

export class ChatSession {
  readonly id: string;
  readonly chat: Chat<ChatMessage>;
  live: Live = { busy: false, written: 0, connection: "idle", facts: {}, stopping: false };
  #transport: HaltlineChatTransport<ChatMessage>;
  #watchers = new Set<() => void>();
  #changed: () => void;
  #retries = 0;
  #retryTimer?: ReturnType<typeof setTimeout>;
  #saveTimer?: ReturnType<typeof setTimeout>;
  #since = 0;
  /** Has anything come since the last question? */
  #heard = false;

  constructor(id: string, transport: HaltlineChatTransport<ChatMessage>, changed: () => void) {
    const kept = load(id);
    this.id = id;
    this.#transport = transport;
    this.#changed = changed;
    this.chat = new Chat<ChatMessage>({
      id,
      transport,
      messages: kept?.messages ?? [],
      generateId: () => crypto.randomUUID(),
      onData: (part) => {
        if (part.type === "data-status") this.#phase(part.data as Phase);
      },
    });
    if (kept?.pending) {
      this.#since = kept.pending.since;
      transport.restore(id, kept.pending);
      queueMicrotask(() => void this.#resume());
    } else if (kept?.problem) {
      this.live = { ...this.live, problem: kept.problem };
    } else if (kept?.messages.at(-1)?.role === "user") {
      this.live = { ...this.live, problem: problemOf("unanswered", "This question has no answer.") };
    }
  }

  subscribe = (watcher: () => void) => {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  };

  snapshot = () => this.live;

  /** News of the transport. */
  onConnection(connection: ConnectionState) {
    this.#set({ connection });
  }
  onFacts(facts: AnswerFacts) {
    this.#set({ facts });
  }
  onChunk(chunk: UIMessageChunk) {
    this.#heard = true;
    if (chunk.type === "text-delta" || chunk.type === "reasoning-delta") {
      const { first, written } = this.live;
      const text = chunk.type === "text-delta" ? chunk.delta.length : 0;
      this.#set({ first: first ?? (text > 0 ? Date.now() : undefined), written: written + text, phase: { state: "writing" } });
    }
    clearTimeout(this.#saveTimer);
    this.#saveTimer = setTimeout(() => this.save(), 250);
  }

  /** A sign of life says nothing new. */
  #phase(phase: Phase) {
    const isBare = phase.state === "waiting" && phase.model === undefined;
    if (!isBare || this.live.phase === undefined) this.#set({ phase });
  }

  send(text: string) {
    this.#retries = 0;
    void this.#run(() => this.chat.sendMessage({ text }));
  }

  /** The same generation again: what it has cost is not paid twice. */
  retry() {
    const generation = this.#transport.generation(this.id);
    if (!generation) return this.regenerate();
    void this.#run(() => this.chat.regenerate({ headers: { [KEY]: generation.key } }));
  }

  /** Another answer, at another cost. */
  regenerate() {
    this.#retries = 0;
    void this.#run(() => this.chat.regenerate());
  }

  /** Goes on after an answer that was cut short. */
  proceed() {
    this.send("Please go on from where you stopped.");
  }

  /** Takes the last question back into the input. */
  edit() {
    const last = this.chat.messages.findLastIndex((message) => message.role === "user");
    const message = this.chat.messages[last];
    if (!message) return;
    this.chat.messages = this.chat.messages.slice(0, last);
    this.dismiss();
    this.#set({ draft: { text: textOf(message), number: (this.live.draft?.number ?? 0) + 1 } });
    this.save();
  }

  /** Stops at the server and here. The last words and the cost have two seconds to arrive. */
  async stop() {
    if (!this.live.busy || this.live.stopping) return;
    this.#set({ stopping: true });
    const told = this.#transport.stop(this.id).catch(() => {});
    await Promise.race([told.then(() => this.#idle()), new Promise((done) => setTimeout(done, 2000))]);
    if (!this.live.busy) return;
    await this.chat.stop();
    this.#note({ stopped: true });
  }

  reconnect() {
    if (this.live.connection !== "idle") return this.#transport.reconnectNow(this.id);
    void this.#resume();
  }

  cancelRetry() {
    clearTimeout(this.#retryTimer);
    this.#set({ retryAt: undefined });
  }

  dismiss() {
    this.cancelRetry();
    this.chat.clearError();
    this.#set({ problem: undefined });
  }

  save() {
    clearTimeout(this.#saveTimer);
    const generation = this.live.busy || this.live.problem?.code === "connection_lost" ? this.#transport.generation(this.id) : undefined;
    const pending = generation && { ...generation, since: this.#since };
    save(this.id, { messages: this.chat.messages, pending, problem: this.live.problem });
    this.#changed();
  }

  /** Takes up what was running when the page was left. */
  async #resume() {
    const since = this.#since || Date.now();
    await this.#run(async () => {
      await this.chat.resumeStream();
      if (this.chat.status === "ready" && !this.#heard) {
        this.#set({ problem: problemOf("stream_gone", "The rest of this answer is not there any more.") });
      }
    }, since);
  }

  async #run(ask: () => Promise<void>, since = Date.now()) {
    this.cancelRetry();
    this.#since = since;
    this.#heard = false;
    this.#set({ busy: true, asked: since, first: undefined, written: 0, phase: undefined, facts: {}, problem: undefined, stopping: false });
    const running = ask();
    // The question is kept before the answer is there.
    queueMicrotask(() => this.save());
    try {
      await running;
    } catch (error) {
      this.#set({ problem: parseProblem(error) });
    }
    const { first, asked } = this.live;
    const problem = this.chat.error ? parseProblem(this.chat.error) : this.live.problem;
    if (first && asked) this.#note({ first: first - asked, took: Date.now() - asked });
    this.#set({ busy: false, problem, phase: undefined });
    void this.#price();
    if (problem?.retryable && problem.action === "retry" && this.#retries < RETRIES_MAX) {
      this.#retries++;
      const wait = problem.retryAfter ?? 5000;
      this.#set({ retryAt: Date.now() + wait });
      this.#retryTimer = setTimeout(() => this.retry(), wait);
    }
    this.save();
  }

  /** What an answer has cost that was stopped or has failed: the gateway knows it a little later. */
  async #price() {
    const { requestId, streamId = requestId } = this.live.facts;
    const last = this.chat.lastMessage;
    for (let n = 0; n < 4; n++) {
      if (!streamId || last?.role !== "assistant" || last.metadata?.cost !== undefined) return;
      const cost = await costOf(streamId);
      if (this.live.busy || this.chat.lastMessage?.id !== last.id) return;
      if (cost !== undefined) {
        this.#note({ cost });
        return this.save();
      }
      await new Promise((done) => setTimeout(done, 400 * 2 ** n));
    }
  }

  /** Notes something about the last answer. */
  #note(more: object) {
    const last = this.chat.lastMessage;
    if (last?.role !== "assistant") return;
    this.chat.messages = this.chat.messages.with(-1, { ...last, metadata: { ...last.metadata, ...more } });
  }

  #idle(): Promise<void> {
    return new Promise((done) => {
      const look = () => {
        if (this.live.busy) return;
        leave();
        done();
      };
      const leave = this.subscribe(look);
      look();
    });
  }

  #set(change: Partial<Live>) {
    this.live = { ...this.live, ...change };
    for (const watcher of this.#watchers) watcher();
    if ("busy" in change || "problem" in change) this.#changed();
  }
}
