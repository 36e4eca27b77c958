// The same answer again: after a reload from its beginning, after a drop from where it broke.

import { isChatId, pass, refuse } from "../../../../../lib/gateway.ts";

export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await params;
  if (!isChatId(id)) return refuse(404, "not_found", "There is no such chat.");
  const after = new URL(request.url).searchParams.get("starting_after");
  const query = after && /^\d{1,15}$/.test(after) ? `?starting_after=${after}` : "";
  return pass(request, `/api/chat/${id}/stream${query}`, { method: "GET" });
}
