// The page: the list of chats, and the one that is looked at. The address says which.

"use client";

import { usePathname } from "next/navigation";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { type Direct, leave, through } from "../lib/door.ts";
import { chats, forget, noChats, session, show, watch } from "../lib/sessions.ts";
import { Conversation } from "./conversation.tsx";
import { useChoice } from "./hooks.ts";
import { Icon, Mark } from "./icons.tsx";

const COST = "haltline-chat/cost";

export function ChatApp({ direct }: { direct?: Direct }) {
  const path = usePathname();
  const [mounted, setMounted] = useState(false);
  useEffect(() => {
    through(direct);
    setMounted(true);
  }, [direct]);
  const chatId = /^\/c\/([\w-]{1,128})$/.exec(path)?.[1];
  // The chats are in the browser: the server has nothing to show of them.
  return mounted ? <Opened chatId={chatId} signedIn={direct !== undefined} /> : <div className="app" aria-busy="true" />;
}

function Opened({ chatId, signedIn }: { chatId?: string; signedIn: boolean }) {
  const [fresh, setFresh] = useState(() => crypto.randomUUID());
  const [kept, setKept] = useState<{ id: string; request?: string }>();
  const [showCost, setShowCost] = useChoice(COST);
  const drawer = useRef<HTMLDialogElement>(null);
  const items = useSyncExternalStore(watch, chats, noChats);
  const id = chatId ?? fresh;
  const open = useMemo(() => session(id), [id]);

  useEffect(() => show(id), [id]);
  // A new chat gets its address with its first question.
  useEffect(() => {
    if (chatId === undefined && items.some((item) => item.id === fresh)) history.replaceState(null, "", `/c/${fresh}`);
  }, [chatId, fresh, items]);
  const title = items.find((item) => item.id === id)?.title;
  useEffect(() => {
    document.title = title ? `${title} · Haltline Chat` : "Haltline Chat";
  }, [title]);

  const go = (to: string | undefined) => {
    drawer.current?.close();
    if (to === undefined) setFresh(crypto.randomUUID());
    history.pushState(null, "", to === undefined ? "/" : `/c/${to}`);
  };
  const background = () => {
    setKept({ id, request: open.live.facts.requestId });
    go(undefined);
  };
  const listing = (
    <nav aria-label="Chats" className="chats">
      <button type="button" className="new" onClick={() => go(undefined)}>
        <Icon name="plus" /> New chat
      </button>
      <ul>
        {items.map((item) => (
          <li key={item.id}>
            <a
              href={`/c/${item.id}`}
              aria-current={item.id === id ? "page" : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                go(item.id);
              }}
            >
              <span className="title">{item.title}</span>
              {item.state !== "read" && <span className="state" data-state={item.state}>{{ busy: "writing", failed: "problem", unread: "new" }[item.state]}</span>}
            </a>
            <button
              type="button"
              className="remove"
              aria-label={`Delete ${item.title}`}
              onClick={() => {
                forget(item.id);
                if (item.id === id) go(undefined);
              }}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <label className="choice">
        <input type="checkbox" checked={showCost} onChange={(event) => setShowCost(event.target.checked)} /> Show cost while writing
      </label>
      {signedIn && <button type="button" className="leave" onClick={() => void leave()}>Sign out</button>}
    </nav>
  );
  return (
    <div className="app">
      <a className="skip" href="#question">Skip to the input</a>
      <aside>
        <p className="brand"><Mark /> Haltline Chat</p>
        {listing}
      </aside>
      <header className="top">
        <button type="button" className="square" aria-label="Chats" onClick={() => drawer.current?.showModal()}>
          <Icon name="menu" />
        </button>
        <p className="brand"><Mark /> <span>{title ?? "Haltline Chat"}</span></p>
        <button type="button" className="square" aria-label="New chat" onClick={() => go(undefined)}>
          <Icon name="plus" />
        </button>
      </header>
      <dialog ref={drawer} className="drawer" aria-label="Chats" onClick={(event) => event.target === drawer.current && drawer.current.close()}>
        <button type="button" className="square" aria-label="Close" onClick={() => drawer.current?.close()}>
          <Icon name="close" />
        </button>
        {listing}
      </dialog>
      <div className="main">
        {kept && kept.id !== id && (
          <p className="banner" data-tone="calm" role="status">
            Kept in background{kept.request && <> · <code>{kept.request}</code></>} ·{" "}
            <a href={`/c/${kept.id}`} onClick={(event) => (event.preventDefault(), go(kept.id))}>{`${typeof location === "undefined" ? "" : location.origin}/c/${kept.id}`}</a>
            <button type="button" className="square" aria-label="Dismiss" onClick={() => setKept(undefined)}>
              <Icon name="close" />
            </button>
          </p>
        )}
        <Conversation key={id} session={open} showCost={showCost} onBackground={background} onNewChat={() => go(undefined)} />
      </div>
    </div>
  );
}
