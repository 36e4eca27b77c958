// One message, and the row that stands for an answer that has no text yet.

"use client";

import { memo, useEffect, useState } from "react";
import { type ChatMessage, textOf } from "../lib/history.ts";
import type { ChatSession, Live } from "../lib/session.ts";
import { dollars, originText, phaseText, seconds } from "../lib/texts.ts";
import { useMedia, useNow } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { Markdown } from "./markdown.tsx";

export const Question = memo(function Question({ message }: { message: ChatMessage }) {
  return (
    <article className="question" aria-label="You said">
      <p>{textOf(message)}</p>
    </article>
  );
});

interface AnswerProps {
  message: ChatMessage;
  /** It is being written. */
  writing: boolean;
  last: boolean;
  session: ChatSession;
}

export const Answer = memo(function Answer({ message, writing, last, session }: AnswerProps) {
  const { metadata } = message;
  const text = textOf(message);
  const thoughts = message.parts.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
  const sources = message.parts.filter((part) => part.type === "source-url");
  const origin = originText(metadata?.haltline);
  const tokens = metadata?.usage?.outputTokens;
  const writingTime = metadata?.took !== undefined && metadata.first !== undefined ? metadata.took - metadata.first : 0;
  // What a kept answer says of its cost was paid by whoever asked first.
  const isKept = metadata?.haltline?.cache === "hit" || metadata?.haltline?.cache === "stale";
  const cost = metadata?.cost === undefined || isKept ? undefined : dollars(Number(metadata.cost));
  const facts = [
    tokens !== undefined && `${tokens} tokens`,
    tokens !== undefined && writingTime > 200 && `${Math.round((tokens / writingTime) * 1000)} tokens/s`,
    metadata?.took !== undefined && seconds(metadata.took),
    !metadata?.stopped && cost,
  ].filter((fact) => fact !== false && fact !== undefined);
  return (
    <article className="answer" data-writing={writing} aria-label="Answer" aria-busy={writing}>
      {origin && <p className="origin">{origin}</p>}
      {thoughts && (
        <details className="thoughts">
          <summary>Thoughts</summary>
          <p>{thoughts}</p>
        </details>
      )}
      <div className="text" data-testid="text">
        <Markdown text={text} />
      </div>
      {sources.length > 0 && (
        <ul className="sources" aria-label="Sources">
          {sources.map((source) => (
            <li key={source.sourceId}>
              <a href={source.url} target="_blank" rel="noreferrer noopener">{source.title ?? new URL(source.url).hostname}</a>
            </li>
          ))}
        </ul>
      )}
      {!writing && (
        <footer>
          {metadata?.stopped && <span className="stopped">Stopped{cost && ` · ${cost}`}</span>}
          {facts.length > 0 && <span className="facts">{facts.join(" · ")}</span>}
          <span className="tools">
            {text && <Copy text={text} label="Copy answer" />}
            {last && (
              <button type="button" className="tool" onClick={() => session.regenerate()} title="Asks for a new answer, at a new cost.">
                <Icon name="again" /> Regenerate
              </button>
            )}
            {last && metadata?.stopped && (
              <button type="button" className="tool" onClick={() => session.proceed()}>Continue</button>
            )}
          </span>
        </footer>
      )}
    </article>
  );
});

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button type="button" className="tool" onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}>
      <Icon name={done ? "check" : "copy"} /> {done ? "Copied" : <>Copy<span className="hidden">{label.replace(/^Copy/, "")}</span></>}
    </button>
  );
}

/** What is going on: how long it takes, how fast it comes, and after ten seconds a way to leave. */
export function Progress({ live, hasText, rate, onBackground }: { live: Live; hasText: boolean; rate?: number; onBackground: () => void }) {
  const calm = useMedia("(prefers-reduced-motion: reduce)");
  const now = useNow(live.busy, calm ? 1000 : 100);
  const asked = live.asked ?? now;
  const waited = Math.max(0, now - asked);
  const writing = live.first === undefined ? 0 : now - live.first;
  const tokens = live.written / 4;
  const facts = [
    live.stopping ? "Stopping…" : hasText ? undefined : `${phaseText(live.phase)}… ${seconds(waited)}`,
    hasText && !live.stopping && writing > 500 && `≈ ${Math.max(1, Math.round((tokens / writing) * 1000))} tokens/s`,
    hasText && rate !== undefined && `≈ ${dollars(tokens * rate)}`,
  ].filter(Boolean);
  return (
    <div className="progress" data-phase={live.phase?.state ?? "asked"}>
      <p className={hasText ? "pace" : "thinking"}>
        {!hasText && <span className="pulse" aria-hidden="true" />}
        <span data-testid="progress">{facts.join(" · ")}</span>
      </p>
      {waited > 10_000 && !live.stopping && (
        <p className="patience" role="status">
          Still working. You can leave: the answer goes on at the server.{" "}
          <button type="button" className="link" onClick={onBackground}>Keep in background</button>
        </p>
      )}
    </div>
  );
}
