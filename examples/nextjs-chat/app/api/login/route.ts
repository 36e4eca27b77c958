// A demo of a login: whoever gives a name has it. Put your own in its place.

import { sessionCookie, signsIn } from "../../../lib/auth.ts";
import { refuse } from "../../../lib/gateway.ts";

export async function POST(request: Request): Promise<Response> {
  if (request.headers.get("sec-fetch-site") !== "same-origin") return refuse(403, "csrf", "This request came from another site.");
  if (!signsIn()) return refuse(404, "not_found", "Nobody signs in here.");
  const name = String((await request.formData()).get("name") ?? "").trim().toLowerCase();
  if (!/^[a-z][\w-]{1,31}$/.test(name)) return new Response(null, { status: 303, headers: { location: "/login?again=1" } });
  return new Response(null, { status: 303, headers: { location: "/", "set-cookie": await sessionCookie(name) } });
}
