// One page for all chats: `/` is a new one, `/c/{id}` one that was begun.

import { connection } from "next/server";
import { notFound } from "next/navigation";
import { ChatApp } from "../../components/chat-app.tsx";
import { settings } from "../../lib/gateway.ts";

export default async function Page({ params }: { params: Promise<{ path?: string[] }> }) {
  // Settings are read when the page is asked for, not when it is built.
  await connection();
  const { path = [] } = await params;
  if (path.length !== 0 && !(path.length === 2 && path[0] === "c")) notFound();
  const { browserUrl: url, model } = settings();
  return <ChatApp direct={url ? { url, model } : undefined} />;
}
