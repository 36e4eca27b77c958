// Where the user writes. It stays usable while nothing can be sent: drafts cost nothing.

"use client";

import { useEffect, useRef, useState } from "react";
import type { ChatSession, Live } from "../lib/session.ts";
import { Icon } from "./icons.tsx";

export function Composer({ session, live, blocked }: { session: ChatSession; live: Live; blocked?: string }) {
  const [text, setText] = useState("");
  const input = useRef<HTMLTextAreaElement>(null);
  const empty = text.trim() === "";

  useEffect(() => input.current?.focus(), [session]);
  useEffect(() => {
    if (!live.draft) return;
    setText(live.draft.text);
    input.current?.focus();
  }, [live.draft]);
  useEffect(() => {
    const at = input.current;
    if (!at) return;
    at.style.height = "auto";
    at.style.height = `${Math.min(at.scrollHeight, 220)}px`;
  }, [text]);

  const send = () => {
    if (empty || blocked || live.busy) return;
    session.send(text.trim());
    setText("");
    input.current?.focus();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label className="hidden" htmlFor="question">Your message</label>
      <textarea
        id="question"
        ref={input}
        rows={1}
        value={text}
        maxLength={100_000}
        placeholder="Ask anything"
        aria-describedby="hint"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      {live.busy ? (
        <button
          type="button"
          className="round stop"
          aria-label="Stop"
          aria-keyshortcuts="Escape"
          disabled={live.stopping}
          onClick={() => {
            void session.stop();
            input.current?.focus();
          }}
        >
          <Icon name="stop" />
        </button>
      ) : (
        <button type="submit" className="round" aria-label="Send" disabled={empty || blocked !== undefined}>
          <Icon name="send" />
        </button>
      )}
      <p id="hint">
        {blocked ?? (
          <>
            <kbd>Enter</kbd> sends · <kbd>Shift</kbd>+<kbd>Enter</kbd> new line · <kbd>Esc</kbd> stops
          </>
        )}
      </p>
    </form>
  );
}
