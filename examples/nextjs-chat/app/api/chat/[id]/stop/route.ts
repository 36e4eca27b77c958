// A stop that means it: closing the connection would only stop the watching.

import { withAuth } from "../../../../../lib/auth.ts";
import { isChatId, pass, refuse } from "../../../../../lib/gateway.ts";

export const POST = withAuth<{ id: string }>(async (request, user, { id }) => {
  if (!isChatId(id)) return refuse(404, "not_found", "There is no such chat.");
  return pass(request, user, `/api/chat/${id}/stop`, { method: "POST" });
});
