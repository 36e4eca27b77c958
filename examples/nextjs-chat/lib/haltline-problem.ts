// What went wrong, in one shape, whatever carried it: an HTTP body of Haltline in any dialect, the
// `errorText` of a UI message stream, an error of the AI SDK 6 or 7, or the browser's own.

/** What the page can offer. */
export type Action =
  | "retry" // the same generation again: what was paid for is not bought twice
  | "regenerate" // a new generation at a new cost
  | "wait" // nothing but time helps
  | "edit" // the request must change
  | "new_chat" // the conversation must
  | "sign_in"
  | "reconnect" // the answer goes on at the server
  | "report"; // only the people who run it can help

export interface Problem {
  /** Haltline's code (its `/errors/{code}` page), or one of: connection_lost, stream_gone, http_NNN. */
  code: string;
  /** Who can act: retryable, user_actionable, operator_actionable, permanent. */
  class: string;
  /** One sentence for people. */
  message: string;
  /** Nothing was spent and a repetition can succeed within a minute. */
  retryable: boolean;
  action: Action;
  status?: number;
  /** The budget that is used up, and whom it counts: "user", "key", "global", … where it is told. */
  budget?: string;
  scope?: string;
  /** When a budget's window ends. */
  resetsAt?: Date;
  /** Milliseconds to wait before a repetition. */
  retryAfter?: number;
  requestId?: string;
  traceId?: string;
}

/** Thrown by the transport; `message` is for people, `problem` for the page. */
export class HaltlineError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.name = "HaltlineError";
    this.problem = problem;
  }
}

const ACTIONS: Record<string, Action> = {
  auth_missing: "sign_in",
  key_expired: "sign_in",
  budget_exceeded: "wait",
  reservation_too_large: "edit",
  content_filter: "edit",
  invalid_request: "edit",
  body_too_large: "new_chat",
  context_length_exceeded: "new_chat",
  idempotency_key_reused: "regenerate",
  retry_limit: "wait",
  upstream_failed: "regenerate",
  upstream_timeout: "regenerate",
  stream_deadline: "regenerate",
  ceiling_reached: "regenerate",
  interrupted: "regenerate",
  stopped: "regenerate",
  store_unavailable: "retry",
  connection_lost: "reconnect",
  stream_gone: "retry",
  unanswered: "regenerate",
};

type Json = Record<string, unknown>;
const object = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

function json(value: unknown): Json | undefined {
  if (typeof value !== "string") return object(value);
  try {
    return object(JSON.parse(value));
  } catch {
    return undefined;
  }
}

/** Makes a problem of a code alone. */
export function problemOf(code: string, message: string, more: Partial<Problem> = {}): Problem {
  const retryable = more.retryable ?? false;
  const action = ACTIONS[code] ?? (retryable ? "retry" : "report");
  return { code, class: retryable ? "retryable" : "permanent", message, action, ...more, retryable };
}

/**
 * Reads a problem out of anything: a body (text or parsed), an `Error` of any kind, `errorText`.
 * `status` and `headers` are those of the HTTP answer, where there is one.
 */
export function parseProblem(thrown: unknown, status?: number, headers?: Headers): Problem {
  if (thrown instanceof HaltlineError) return thrown.problem;
  const error = object(thrown);
  // AI SDK 7 keeps the status and the body beside the message; 6 has the body as the message.
  const code = status ?? (typeof error?.["statusCode"] === "number" ? error["statusCode"] : undefined);
  const words = thrown instanceof Error ? thrown.message : text(thrown);
  const body = json(error?.["responseBody"]) ?? json(words) ?? (thrown instanceof Error ? undefined : error);
  if (!body) {
    if (thrown instanceof TypeError) return problemOf("connection_lost", "The connection was lost.", { retryable: true });
    const retryable = code === 429 || code === 503;
    return problemOf(code ? `http_${code}` : "internal", words || "Something failed.", waits({ status: code, retryable }, headers));
  }
  // {error: {…}} is OpenAI's, Anthropic's and Google's way; flat is the UI stream's.
  const inner = object(body["error"]) ?? body;
  const facts = object(inner["haltline"]) ?? {};
  const word = text(facts["code"]) ?? text(inner["code"]) ?? text(inner["type"]) ?? (code ? `http_${code}` : "internal");
  const resets = text(facts["resets_at"]);
  return problemOf(
    word,
    text(inner["message"]) ?? text(inner["detail"]) ?? "Something failed.",
    waits(
      {
        ...(text(facts["class"]) && { class: text(facts["class"])! }),
        status: code,
        retryable: facts["retryable"] === true,
        budget: text(facts["budget"]),
        scope: text(facts["scope"]),
        resetsAt: resets && !Number.isNaN(Date.parse(resets)) ? new Date(resets) : undefined,
        retryAfter: typeof facts["retry_after"] === "number" ? facts["retry_after"] * 1000 : undefined,
        requestId: text(facts["request_id"]) ?? text(body["request_id"]),
        traceId: text(facts["trace_id"]) ?? text(inner["trace_id"]),
      },
      headers,
    ),
  );
}

function waits(more: Partial<Problem>, headers?: Headers): Partial<Problem> {
  const seconds = Number.parseFloat(headers?.get("retry-after") ?? "");
  if (seconds > 0 && seconds <= 3600) more.retryAfter = seconds * 1000;
  more.requestId ??= headers?.get("x-request-id") ?? undefined;
  return more;
}

/** A problem as `errorText` of a UI message stream, to be parsed again by the page. */
export function errorText(problem: Problem): string {
  const { retryable, budget, scope, resetsAt, requestId: request_id, traceId: trace_id } = problem;
  const haltline = { class: problem.class, retryable, budget, scope, resets_at: resetsAt?.toISOString(), request_id, trace_id };
  return JSON.stringify({ code: problem.code, message: problem.message, haltline });
}
