// The way to Haltline, on the server: adds the key, which never leaves it, and names the user. What
// comes back passes unread, so what the gateway says about retries, resuming and money stays true.

/** What a page may say to the gateway, and what the gateway may say to a page. */
const ASKED = ["accept", "idempotency-key", "last-event-id", "traceparent", "x-haltline-event-ids"];
const ANSWERED = [
  "age", "content-type", "ratelimit", "ratelimit-policy", "retry-after", "traceparent", "x-accel-buffering", "x-haltline-attempts",
  "x-haltline-cache", "x-haltline-degraded", "x-haltline-model", "x-haltline-provider", "x-haltline-replayed", "x-haltline-stream-id",
  "x-request-id", "x-should-retry", "x-vercel-ai-ui-message-stream",
];

/** Settings, from the environment. */
export const settings = () => ({
  url: (process.env.HALTLINE_URL ?? "http://127.0.0.1:4100").replace(/\/$/, ""),
  key: process.env.HALTLINE_KEY ?? "",
  /** Where browsers reach the gateway; empty = they ask this server, which passes it on. */
  browserUrl: (process.env.HALTLINE_BROWSER_URL ?? "").replace(/\/$/, ""),
  model: process.env.HALTLINE_MODEL ?? "chat",
  system: process.env.HALTLINE_SYSTEM ?? "You are a helpful assistant. Be brief.",
});

/** Passes a user's request on. `search` and `body` are what the gateway gets; a closed tab closes this too. */
export async function pass(request: Request, user: string, path: string, init: { method: "GET" | "POST"; headers?: Record<string, string>; body?: string }): Promise<Response> {
  const { url, key } = settings();
  const headers = new Headers({ ...init.headers, "x-haltline-user": user });
  if (key) headers.set("authorization", `Bearer ${key}`);
  if (init.body !== undefined) headers.set("content-type", "application/json");
  for (const name of ASKED) {
    const value = request.headers.get(name);
    if (value) headers.set(name, value);
  }
  let answer: Response;
  try {
    answer = await fetch(url + path, { ...init, headers, signal: request.signal, cache: "no-store" });
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    console.error(`haltline-chat: ${url}${path.split("?")[0]}: ${reason(error)}`);
    return refuse(503, "gateway_unreachable", "The gateway cannot be reached.", { "retry-after": "2" });
  }
  // `no-transform`: a proxy that compresses a stream also holds it back.
  const out = new Headers({ "cache-control": "no-cache, no-transform" });
  for (const name of ANSWERED) {
    const value = answer.headers.get(name);
    if (value) out.set(name, value);
  }
  return new Response(answer.body, { status: answer.status, headers: out });
}

/** What an answer of this user has cost; `{}` while that is not known. */
export async function costOf(request: Request, user: string, id: string): Promise<Response> {
  const answer = await pass(request, user, `/v1/generation?id=${id}`, { method: "GET" });
  if (answer.status === 404) return Response.json({}, { headers: { "cache-control": "no-store" } });
  if (!answer.ok) return answer;
  const { data } = (await answer.json()) as { data?: { user?: string; total_cost?: string } };
  // The gateway knows this app's key only; whose answer it is must be looked at here.
  const isOwn = data?.user !== undefined && data.user === user;
  return Response.json(isOwn ? { cost: data.total_cost } : {}, { headers: { "cache-control": "no-store" } });
}

/** The ids that this app gives to chats. */
export const isChatId = (id: string) => /^[\w-]{1,128}$/.test(id);

/** An error of this app, in the shape of the gateway's. */
export function refuse(status: number, code: string, message: string, headers: Record<string, string> = {}): Response {
  const retryable = status === 503;
  return Response.json({ code, message, haltline: { class: retryable ? "retryable" : "permanent", retryable } }, { status, headers });
}

function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? cause.message || cause.name : String(error);
}
