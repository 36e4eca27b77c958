// One chat: its messages, what it waits for, what is wrong with it, and the input.

"use client";

import { useChat } from "@ai-sdk/react";
import { useEffect, useState } from "react";
import { type ChatMessage, textOf } from "../lib/history.ts";
import type { ChatSession } from "../lib/session.ts";
import { Answer, Progress, Question } from "./answer.tsx";
import { Composer } from "./composer.tsx";
import { useLive, useNow, useOnline, useStick } from "./hooks.ts";
import { Icon, Mark } from "./icons.tsx";
import { NoticeBox } from "./notice.tsx";

const IDEAS = ["Explain what a gateway for AI models does, in three sentences.", "Write a haiku about a network cable.", "What should I cook with leeks and eggs?"];

interface Props {
  session: ChatSession;
  showCost: boolean;
  onBackground: () => void;
  onNewChat: () => void;
}

export function Conversation({ session, showCost, onBackground, onNewChat }: Props) {
  const { messages } = useChat<ChatMessage>({ chat: session.chat, throttle: 30 });
  const live = useLive(session);
  const online = useOnline();
  const last = messages.at(-1);
  const hasText = last?.role === "assistant" && textOf(last) !== "";
  const { box, away, onScroll, toEnd } = useStick([messages, live.problem, live.busy]);

  useEffect(() => {
    const stop = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) void session.stop();
    };
    window.addEventListener("keydown", stop);
    return () => window.removeEventListener("keydown", stop);
  }, [session]);
  useEffect(() => toEnd(), [session, live.asked]);

  return (
    <main className="conversation" id="conversation">
      <Banner online={online} connection={live.connection} busy={live.busy} asked={live.facts.requestId !== undefined} onReconnect={() => session.reconnect()} />
      {messages.length > 0 && <h1 className="hidden">Conversation</h1>}
      <div className="scroll" ref={box} onScroll={onScroll}>
        <div className="log" role="log" aria-label="Conversation" aria-live="polite" aria-relevant="additions">
          {messages.map((message, index) =>
            message.role === "user" ? (
              <Question key={message.id} message={message} />
            ) : isEmpty(message) && index === messages.length - 1 && (live.busy || live.problem) ? null : (
              <Answer
                key={message.id}
                message={message}
                session={session}
                last={index === messages.length - 1 && !live.busy && !live.problem}
                writing={live.busy && index === messages.length - 1}
              />
            ),
          )}
          {messages.length === 0 && <Welcome session={session} />}
        </div>
        {live.busy && <Progress live={live} hasText={hasText} rate={showCost ? rate(messages) : undefined} onBackground={onBackground} />}
        {live.problem && !live.busy && <NoticeBox problem={live.problem} cost={last && isEmpty(last) ? last.metadata?.cost : undefined} live={live} session={session} onNewChat={onNewChat} />}
        <p className="hidden" role="status">{announce(session, hasText)}</p>
      </div>
      <div className="dock">
        {away && (
          <button type="button" className="round to-end" aria-label="To the newest message" onClick={toEnd}>
            <Icon name="down" />
          </button>
        )}
        <Composer session={session} live={live} blocked={useBlocked(session)} />
      </div>
    </main>
  );
}

/** Nothing came, or not yet: there is nothing to show but the wait or the problem. */
const isEmpty = (message: ChatMessage) => message.role === "assistant" && message.parts.every((part) => part.type === "step-start" || (part.type === "text" && part.text === ""));

/** The budget's end is known: until then nothing can be sent. */
function useBlocked(session: ChatSession): string | undefined {
  const { problem } = useLive(session);
  const isBudget = problem?.code === "budget_exceeded" && problem.resetsAt !== undefined;
  const now = useNow(isBudget, 1000);
  return isBudget && problem.resetsAt!.getTime() > now ? "Sending is off until the limit is reset. You can go on writing." : undefined;
}

/** Dollars for a token, of the last answer that says so. */
function rate(messages: ChatMessage[]): number | undefined {
  const known = messages.findLast(({ metadata }) => metadata?.cost !== undefined && metadata.usage?.outputTokens);
  return known && Number(known.metadata!.cost) / known.metadata!.usage!.outputTokens!;
}

/** For people who do not see: what changed, once. */
function announce(session: ChatSession, hasText: boolean): string {
  const { live, chat } = session;
  if (live.stopping && live.busy) return "Stopping";
  if (live.busy) return hasText ? "The answer is being written" : "Thinking";
  if (chat.lastMessage?.role !== "assistant" || live.problem) return "";
  return chat.lastMessage.metadata?.stopped ? "Stopped" : live.asked ? "The answer is complete" : "";
}

function Welcome({ session }: { session: ChatSession }) {
  return (
    <div className="welcome">
      <Mark />
      <h1>What would you like to know?</h1>
      <p>Close the tab, lose the network, come back: your answer will be here.</p>
      <ul>
        {IDEAS.map((idea) => (
          <li key={idea}>
            <button type="button" onClick={() => session.send(idea)}>{idea}</button>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface BannerProps {
  online: boolean;
  connection: string;
  busy: boolean;
  /** The server has the question. */
  asked: boolean;
  onReconnect: () => void;
}

function Banner({ online, connection, busy, asked, onReconnect }: BannerProps) {
  const [seconds, setSeconds] = useState(0);
  const lost = busy && connection === "reconnecting";
  useEffect(() => {
    setSeconds(0);
    if (!lost) return;
    const timer = setInterval(() => setSeconds((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [lost]);
  return (
    <div className="banner-place" role="status">
      {!online ? (
        <p className="banner" data-tone="wait">
          You are offline. {!busy ? "You can go on writing." : asked ? "The answer goes on at the server and will be here when you are back." : "Your question is sent when you are back."}
        </p>
      ) : lost ? (
        <p className="banner" data-tone="wait">
          {asked ? "Connection lost, answer continues on the server. Reconnecting…" : "The server cannot be reached. Trying again…"}{" "}
          {seconds > 1 && <button type="button" className="link" onClick={onReconnect}>Reconnect now</button>}
        </p>
      ) : null}
    </div>
  );
}
