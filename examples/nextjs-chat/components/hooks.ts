// How components see what lives outside of React.

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { ChatSession, Live } from "../lib/session.ts";

export function useLive(session: ChatSession): Live {
  return useSyncExternalStore(session.subscribe, session.snapshot, session.snapshot);
}

/** The time, again and again while it matters. */
export function useNow(active: boolean, every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [active, every]);
  return now;
}

export function useOnline(): boolean {
  const subscribe = useCallback((changed: () => void) => {
    window.addEventListener("online", changed);
    window.addEventListener("offline", changed);
    return () => {
      window.removeEventListener("online", changed);
      window.removeEventListener("offline", changed);
    };
  }, []);
  return useSyncExternalStore(subscribe, () => navigator.onLine, () => true);
}

export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (changed: () => void) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", changed);
      return () => list.removeEventListener("change", changed);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => window.matchMedia(query).matches, () => false);
}

/** A choice that the browser remembers. */
export function useChoice(name: string): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(false);
  useEffect(() => setOn(localStorage.getItem(name) === "on"), [name]);
  return [on, (next) => (localStorage.setItem(name, next ? "on" : "off"), setOn(next))];
}

/** Keeps a box at its end while text comes, unless the reader has scrolled away. */
export function useStick(changed: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const [away, setAway] = useState(false);
  const onScroll = () => {
    const at = box.current;
    if (!at) return;
    stuck.current = at.scrollHeight - at.scrollTop - at.clientHeight < 80;
    setAway(!stuck.current);
  };
  const toEnd = () => {
    stuck.current = true;
    box.current?.scrollTo({ top: box.current.scrollHeight });
  };
  useEffect(() => {
    if (stuck.current) toEnd();
  }, [changed]);
  return { box, away, onScroll, toEnd };
}
