// The same answer again: after a reload from its beginning, after a drop from where it broke.

import { withAuth } from "../../../../../lib/auth.ts";
import { isChatId, pass, refuse } from "../../../../../lib/gateway.ts";

export const GET = withAuth<{ id: string }>(async (request, user, { id }) => {
  if (!isChatId(id)) return refuse(404, "not_found", "There is no such chat.");
  const after = new URL(request.url).searchParams.get("starting_after");
  const query = after && /^\d{1,15}$/.test(after) ? `?starting_after=${after}` : "";
  return pass(request, user, `/api/chat/${id}/stream${query}`, { method: "GET" });
});
