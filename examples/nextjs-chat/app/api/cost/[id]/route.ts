// The cost of an answer that was stopped or has failed: it is settled after the stream's end.

import { withAuth } from "../../../../lib/auth.ts";
import { costOf, refuse } from "../../../../lib/gateway.ts";

export const GET = withAuth<{ id: string }>(async (request, user, { id }) => {
  if (!/^req_[0-9a-f]{32}$/.test(id)) return refuse(404, "not_found", "There is no such answer.");
  return costOf(request, user, id);
});
