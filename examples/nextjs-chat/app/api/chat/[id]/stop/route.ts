// A stop that means it: closing the connection would only stop the watching.

import { isChatId, pass, refuse } from "../../../../../lib/gateway.ts";

export async function POST(request: Request, { params }: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await params;
  if (!isChatId(id)) return refuse(404, "not_found", "There is no such chat.");
  return pass(request, `/api/chat/${id}/stop`, { method: "POST" });
}
