// The cost of an answer that was stopped or has failed: it is settled after the stream's end.

import { costOf, refuse } from "../../../../lib/gateway.ts";

export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await params;
  if (!/^req_[0-9a-f]{32}$/.test(id)) return refuse(404, "not_found", "There is no such answer.");
  return costOf(request, id);
}
