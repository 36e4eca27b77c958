// What the browser keeps: the chats, and of each the generation that may still be running.

import type { UIMessage } from "ai";
import type { AnswerFacts, Generation, Problem } from "./haltline-transport.ts";

/** What is known of an answer beside its text. */
export interface AnswerMetadata {
  traceId?: string;
  usage?: { inputTokens?: number; outputTokens?: number };
  /** Dollars, as a decimal number. */
  cost?: string;
  haltline?: AnswerFacts;
  /** The user stopped it. */
  stopped?: boolean;
  /** Milliseconds from the question to the first word and to the last. */
  first?: number;
  took?: number;
}
export type ChatMessage = UIMessage<AnswerMetadata>;

export interface KeptChat {
  messages: ChatMessage[];
  /** Asked for and not known to have ended. */
  pending?: Generation & { since: number };
  /** Why the last answer is not there, or not whole. */
  problem?: Problem;
}

export interface ChatEntry {
  id: string;
  title: string;
  updated: number;
}

const LIST = "haltline-chat/list";
const CHATS_MAX = 50;
const place = (id: string) => `haltline-chat/chat/${id}`;

function read<T>(name: string): T | undefined {
  try {
    const text = localStorage.getItem(name);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/** The newest first. */
export function list(): ChatEntry[] {
  const entries = read<ChatEntry[]>(LIST);
  return Array.isArray(entries) ? entries : [];
}

export function load(id: string): KeptChat | undefined {
  const kept = read<KeptChat>(place(id));
  if (!kept || !Array.isArray(kept.messages)) return undefined;
  const { problem } = kept;
  return problem?.resetsAt ? { ...kept, problem: { ...problem, resetsAt: new Date(problem.resetsAt) } } : kept;
}

export function save(id: string, kept: KeptChat): void {
  const asked = kept.messages.find((message) => message.role === "user");
  if (!asked) return;
  const title = textOf(asked).replace(/\s+/g, " ").trim().slice(0, 60) || "Chat";
  const entries = [{ id, title, updated: Date.now() }, ...list().filter((entry) => entry.id !== id)];
  // When the browser's space is full, the oldest go.
  for (let keep = CHATS_MAX; keep > 0; keep = Math.floor(keep / 2)) {
    for (const { id } of entries.splice(keep)) localStorage.removeItem(place(id));
    try {
      localStorage.setItem(place(id), JSON.stringify(kept));
      localStorage.setItem(LIST, JSON.stringify(entries));
      return;
    } catch {
      continue;
    }
  }
}

export function remove(id: string): void {
  localStorage.removeItem(place(id));
  localStorage.setItem(LIST, JSON.stringify(list().filter((entry) => entry.id !== id)));
}

export function textOf(message: UIMessage): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
