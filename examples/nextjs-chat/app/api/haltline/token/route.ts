// Exchanges this app's session for a code, with which the browser signs in at the gateway. The key
// stays here; what the browser gets is one user's, for a time, and for one model.

import { signsIn, withAuth } from "../../../../lib/auth.ts";
import { refuse, settings } from "../../../../lib/gateway.ts";

export const POST = withAuth(async (request, user) => {
  if (!signsIn()) return refuse(404, "not_found", "Nobody signs in here.");
  const { url, key, model } = settings();
  const wanted = {
    user,
    models: [model],
    origin: request.headers.get("origin") ?? undefined,
    ...(process.env.HALTLINE_USER_BUDGET && { budget: process.env.HALTLINE_USER_BUDGET }),
  };
  const answer = await fetch(`${url}/v1/auth/tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(wanted),
    cache: "no-store",
  }).catch(() => undefined);
  if (!answer) return refuse(503, "gateway_unreachable", "The gateway cannot be reached.", { "retry-after": "2" });
  if (!answer.ok) {
    console.error(`haltline-chat: /v1/auth/tokens answers ${answer.status}: ${await answer.text()}`);
    return refuse(502, "upstream_failed", "The gateway does not let anybody sign in.");
  }
  const { code } = (await answer.json()) as { code: string };
  return Response.json({ code }, { headers: { "cache-control": "no-store" } });
});
