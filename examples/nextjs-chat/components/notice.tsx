// What went wrong, and what can be done about it.

"use client";

import { useState } from "react";
import type { Problem } from "../lib/haltline-transport.ts";
import type { ChatSession, Live } from "../lib/session.ts";
import { type Deed, dollars, noticeOf } from "../lib/texts.ts";
import { useNow } from "./hooks.ts";

interface Props {
  problem: Problem;
  /** What it has cost, when there is no answer beside which that could stand. */
  cost?: string;
  live: Live;
  session: ChatSession;
  onNewChat: () => void;
}

export function NoticeBox({ problem, cost, live, session, onNewChat }: Props) {
  const now = useNow(true, live.retryAt === undefined ? 30_000 : 250);
  const [said, setSaid] = useState("");
  const notice = noticeOf(problem, live, now);
  const reference = problem.requestId ?? problem.traceId ?? "";
  const deeds: Record<Deed, () => void> = {
    retry: () => session.retry(),
    regenerate: () => session.regenerate(),
    proceed: () => session.proceed(),
    edit: () => session.edit(),
    new_chat: onNewChat,
    sign_in: () => window.location.reload(),
    reconnect: () => session.reconnect(),
    copy: () => void navigator.clipboard.writeText(reference).then(() => setSaid("Copied.")),
    cancel: () => session.cancelRetry(),
    notify: () => void notify(problem).then(setSaid),
    dismiss: () => session.dismiss(),
  };
  const more = [notice.more, cost !== undefined && Number(cost) > 0 && dollars(Number(cost))].filter(Boolean).join(" · ");
  // A countdown must not be read out every second, so the alert holds what does not change.
  const [lead, count] = notice.text.split(/(?=Trying again in )/);
  return (
    <section className="notice" data-tone={notice.tone} data-code={problem.code} aria-label="Problem">
      <p role="alert">{lead}</p>
      {count && <p className="count" role="timer">{count}</p>}
      {more && <p className="more">{more}</p>}
      {notice.deeds.length > 0 && (
        <div className="deeds">
          {notice.deeds.map(({ deed, label, hint }, index) => (
            <button key={deed} type="button" className={index === 0 ? "deed first" : "deed"} title={hint} onClick={deeds[deed]}>{label}</button>
          ))}
        </div>
      )}
      <p className="said" role="status">{said}</p>
    </section>
  );
}

/** Tells the user when the budget's window ends, while this page is open. */
async function notify(problem: Problem): Promise<string> {
  if (!("Notification" in window) || !problem.resetsAt) return "This browser shows no notifications.";
  if ((await Notification.requestPermission()) !== "granted") return "Notifications are not allowed for this page.";
  // A timer cannot be longer than 24 days.
  const wait = Math.min(problem.resetsAt.getTime() - Date.now(), 2_000_000_000);
  setTimeout(() => new Notification("Haltline Chat", { body: "Your AI limit has been reset." }), wait);
  return "You will be told, as long as this page is open.";
}
