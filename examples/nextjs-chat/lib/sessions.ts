// All chats that were opened since the page was loaded, and the one transport that they share.

import { way } from "./door.ts";
import { createHaltlineChatTransport, type HaltlineChatTransport } from "./haltline-transport.ts";
import { type ChatEntry, type ChatMessage, list, remove } from "./history.ts";
import { ChatSession } from "./session.ts";

export interface ChatItem extends ChatEntry {
  state: "busy" | "failed" | "unread" | "read";
}

const sessions = new Map<string, ChatSession>();
const watchers = new Set<() => void>();
const unread = new Set<string>();
let shown = "";
let items: ChatItem[] | undefined;

let shared: HaltlineChatTransport<ChatMessage> | undefined;
/** Made with the first chat: by then it is known which way questions go. */
const transport = () => (shared ??= createHaltlineChatTransport<ChatMessage>({
  ...way(),
  onConnection: (id, state) => sessions.get(id)?.onConnection(state),
  onFacts: (id, facts) => sessions.get(id)?.onFacts(facts),
  onChunk: (id, chunk) => sessions.get(id)?.onChunk(chunk),
}));

/** The chat of an id; made when it is asked for first. */
export function session(id: string): ChatSession {
  let found = sessions.get(id);
  if (!found) {
    found = new ChatSession(id, transport(), changed);
    sessions.set(id, found);
  }
  return found;
}

export function forget(id: string): void {
  void sessions.get(id)?.stop();
  sessions.delete(id);
  unread.delete(id);
  remove(id);
  changed();
}

/** The chat that is looked at: its news count as read. */
export function show(id: string): void {
  shown = id;
  if (unread.delete(id)) changed();
}

export function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

/** For the list of chats. The same object until something changes. */
export function chats(): ChatItem[] {
  return (items ??= list().map((entry) => {
    const live = sessions.get(entry.id)?.live;
    const state = live?.busy ? "busy" : live?.problem ? "failed" : unread.has(entry.id) ? "unread" : "read";
    return { ...entry, state };
  }));
}

const NONE: ChatItem[] = [];
export const noChats = () => NONE;

function changed() {
  const before = items;
  items = undefined;
  for (const item of chats()) {
    const was = before?.find((other) => other.id === item.id);
    if (was?.state === "busy" && item.state === "read" && item.id !== shown) {
      unread.add(item.id);
      items = undefined;
    }
  }
  for (const watcher of watchers) watcher();
}

if (typeof window !== "undefined") {
  window.addEventListener("pagehide", () => sessions.forEach((each) => each.live.busy && each.save()));
  // Another tab wrote.
  window.addEventListener("storage", changed);
}
