// What people read when something is wrong, and what they can do. One table, by class of error.

import type { AnswerFacts, Problem } from "./haltline-transport.ts";
import type { Live, Phase } from "./session.ts";

export type Deed = "retry" | "regenerate" | "proceed" | "edit" | "new_chat" | "sign_in" | "reconnect" | "copy" | "cancel" | "notify" | "dismiss";

export interface Notice {
  /** Red, amber or calm. */
  tone: "bad" | "wait" | "calm";
  text: string;
  /** Smaller, below. */
  more?: string;
  deeds: { deed: Deed; label: string; hint?: string }[];
}

const RETRY = { deed: "retry", label: "Retry", hint: "Asks for the same answer. What was paid for is not paid twice." } as const;
const AGAIN = { deed: "regenerate", label: "Regenerate", hint: "Asks for a new answer, at a new cost." } as const;
const CANCEL = { deed: "cancel", label: "Cancel" } as const;

export function noticeOf(problem: Problem, live: Live, now: number): Notice {
  const wait = live.retryAt === undefined ? undefined : Math.max(0, Math.ceil((live.retryAt - now) / 1000));
  const reference = problem.requestId ?? problem.traceId;
  const more = reference && `Reference ${reference}`;
  switch (problem.code) {
    case "budget_exceeded":
      return budget(problem, now);
    case "reservation_too_large":
      return { tone: "wait", text: "This request could cost more than is left of your AI limit. Make it shorter, or start a new chat.", deeds: [{ deed: "edit", label: "Edit" }, { deed: "new_chat", label: "New chat" }] };
    case "rate_limited":
    case "headroom_held":
      return waiting("A lot is happening.", wait);
    case "overloaded":
    case "draining":
    case "store_unavailable":
    case "gateway_unreachable":
      return waiting("The service is busy or restarting.", wait);
    case "breaker_open":
      return waiting("The model is not answering.", wait);
    case "upstream_failed":
    case "upstream_timeout":
      return { tone: "bad", text: "The model is not answering. Try again in about 30 s.", more, deeds: [{ ...AGAIN, label: "Try again" }] };
    case "stream_deadline":
    case "ceiling_reached":
      return { tone: "wait", text: "This took too long and was stopped. What was written is kept.", more, deeds: [{ deed: "proceed", label: "Continue from here" }, AGAIN] };
    case "interrupted":
      return { tone: "wait", text: "The service was restarted in the middle of this answer. What was written is kept.", more, deeds: [{ deed: "proceed", label: "Continue from here" }, AGAIN] };
    case "unanswered":
      return { tone: "calm", text: "This question has no answer yet.", deeds: [{ ...AGAIN, label: "Ask again" }] };
    case "stopped":
      return { tone: "calm", text: "Stopped before the answer began.", deeds: [{ ...AGAIN, label: "Ask again" }] };
    case "content_filter": {
      const policy = /policy \*?["“]?([\w -]{1,60})["”]?\*?/i.exec(problem.message)?.[1];
      return { tone: "bad", text: `This request was blocked by ${policy ? `policy ${policy}` : "a policy"}. Edit it and send again.`, deeds: [{ deed: "edit", label: "Edit" }] };
    }
    case "context_length_exceeded":
    case "body_too_large":
      return { tone: "wait", text: "This conversation is too long for the model.", deeds: [{ deed: "new_chat", label: "Start a new chat" }] };
    case "auth_missing":
    case "key_expired":
      return { tone: "wait", text: "Please sign in again; your text is kept.", deeds: [{ deed: "sign_in", label: "Sign in" }] };
    case "retry_limit":
      return { tone: "wait", text: "This was tried many times. Wait a little, then ask again.", deeds: [AGAIN] };
    case "connection_lost":
      return { tone: "wait", text: problem.action === "retry" ? "The server cannot be reached. Your question is kept." : "Connection lost, answer continues on the server.", deeds: [problem.action === "retry" ? RETRY : { deed: "reconnect", label: "Reconnect" }] };
    case "stream_gone":
      return { tone: "wait", text: "The rest of this answer is not there any more. What was written is kept.", deeds: [RETRY, AGAIN] };
    case "invalid_request":
    case "unknown_field":
      return { tone: "bad", text: problem.message, more, deeds: [{ deed: "edit", label: "Edit" }] };
    case "idempotency_key_reused":
      return { tone: "bad", text: "This question has changed since it was sent.", more, deeds: [AGAIN] };
    case "key_invalid":
    case "key_frozen":
    case "model_not_allowed":
    case "unknown_model":
    case "unpriced_model":
      return { tone: "bad", text: "AI is not available in this app right now. Its team has to look at it.", more, deeds: reference ? [{ deed: "copy", label: "Copy reference" }] : [] };
    default:
      return { tone: "bad", text: "Something failed on our side.", more, deeds: [...(reference ? [{ deed: "copy", label: "Copy reference" } as const] : []), RETRY, AGAIN] };
  }
}

function waiting(text: string, wait: number | undefined): Notice {
  if (wait === undefined) return { tone: "wait", text, deeds: [RETRY] };
  return { tone: "calm", text: `${text} Trying again in ${wait} s…`, deeds: [CANCEL] };
}

/** Whose limit it is decides what is said: the user's own, or one that others share. */
function budget(problem: Problem, now: number): Notice {
  const own = problem.scope ? /user|session/.test(problem.scope) : /user|session/.test(problem.budget ?? "");
  const reset = problem.resetsAt;
  if (!own) {
    return { tone: "wait", text: "AI is paused for this app. The team has been told.", more: reset && `It goes on at ${clock(reset)} (${distance(reset, now)}).`, deeds: [] };
  }
  const when = reset ? `It resets at ${clock(reset)} (${distance(reset, now)}).` : "It frees up little by little.";
  const more = "You can go on writing; sending works again then.";
  return { tone: "wait", text: `You've reached ${period(problem)} AI limit. ${when}`, more: reset && more, deeds: reset ? [{ deed: "notify", label: "Notify me" }] : [RETRY] };
}

function period(problem: Problem): string {
  const words: [RegExp, string][] = [[/hour/, "this hour's"], [/week/, "this week's"], [/month/, "this month's"], [/day/, "today's"]];
  return words.find(([word]) => word.test(problem.budget ?? ""))?.[1] ?? "your";
}

const clock = (date: Date) => date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

/** "in 5 h", "in 12 min". */
function distance(date: Date, now: number): string {
  const minutes = Math.max(1, Math.round((date.getTime() - now) / 60_000));
  if (minutes < 60) return `in ${minutes} min`;
  if (minutes < 48 * 60) return `in ${Math.round(minutes / 60)} h`;
  return `in ${Math.round(minutes / 1440)} days`;
}

/** What happens while there is no text. */
export function phaseText(phase: Phase | undefined): string {
  const model = phase?.model ? ` ${phase.model}` : "";
  switch (phase?.state) {
    case "queued":
      return "Waiting for a place";
    case "checking":
      return "Checking the request";
    case "retrying":
      return `Retrying${phase.attempt ? ` ${phase.attempt}${phase.of ? `/${phase.of}` : ""}` : ""}${model ? ` on${model}` : ""}`;
    case "fallback":
      return `Trying again${model ? ` on${model}` : ""}`;
    case "degraded":
      return "Asking a smaller model";
    case "waiting":
      return model ? `Waiting for${model}` : "Thinking";
    case "writing":
      return "Writing";
    default:
      return "Thinking";
  }
}

/** Where an answer comes from, when that is not where it was expected to come from. */
export function originText(facts: AnswerFacts | undefined): string | undefined {
  if (facts?.degraded) return `Answered by a smaller model (${short(facts.degraded.to)}) in place of ${short(facts.degraded.from)}`;
  if (facts?.fallback) return `Answered by ${short(facts.fallback.to)} while ${short(facts.fallback.from)} recovers`;
  if (facts?.cache === "hit" || facts?.cache === "stale") {
    return `From cache${facts.age ? `, ${age(facts.age)} old` : ""}${facts.cache === "stale" ? ", while the model recovers" : ""}`;
  }
  return undefined;
}

const age = (seconds: number) => (seconds < 90 ? `${seconds} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`);
const short = (model: string) => model.slice(model.lastIndexOf("/") + 1);

/** Small amounts are not rounded away. */
export function dollars(amount: number): string {
  if (amount === 0) return "$0";
  if (amount < 0.0001) return "<$0.0001";
  return `$${amount.toFixed(amount < 0.01 ? 4 : amount < 1 ? 3 : 2)}`;
}

export const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(milliseconds < 100_000 ? 1 : 0)} s`;
