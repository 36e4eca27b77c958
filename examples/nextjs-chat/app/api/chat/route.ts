// A generation: what the page says, and what only the server decides.

import { withAuth } from "../../../lib/auth.ts";
import { pass, refuse, settings } from "../../../lib/gateway.ts";

const BODY_MAX = 4_000_000;

export const POST = withAuth(async (request, user) => {
  const text = await request.text();
  if (text.length > BODY_MAX) return refuse(413, "body_too_large", "This conversation is too large.");
  let page: { id?: unknown; messages?: unknown; trigger?: unknown; messageId?: unknown };
  try {
    page = JSON.parse(text);
  } catch {
    return refuse(400, "invalid_request", "The body is not JSON.");
  }
  // Model and instructions are the server's: a page's own would be wishes.
  const { id, messages, trigger, messageId } = page;
  const { model, system } = settings();
  // Who wants another answer does not want the one that is kept.
  const headers: Record<string, string> = trigger === "regenerate-message" ? { "x-haltline-cache": "off" } : {};
  return pass(request, user, "/api/chat", { method: "POST", headers, body: JSON.stringify({ id, messages, trigger, messageId, model, system }) });
});
