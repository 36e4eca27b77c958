// Leaves this app. The page leaves the gateway by itself; here that is made sure of, in all tabs and
// browsers of the user.

import { noSessionCookie, signsIn, withAuth } from "../../../lib/auth.ts";
import { refuse, settings } from "../../../lib/gateway.ts";

export const POST = withAuth(async (_, user) => {
  if (!signsIn()) return refuse(404, "not_found", "Nobody signs in here.");
  const { url, key } = settings();
  const revoked = await fetch(`${url}/v1/auth/revoke`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ user }),
    cache: "no-store",
  }).catch(() => undefined);
  if (!revoked?.ok) console.error(`haltline-chat: /v1/auth/revoke answers ${revoked?.status ?? "nothing"}`);
  return new Response(null, { status: 204, headers: { "set-cookie": noSessionCookie() } });
});
