// One page for all chats: `/` is a new one, `/c/{id}` one that was begun.

import { notFound } from "next/navigation";
import { ChatApp } from "../../components/chat-app.tsx";

export default async function Page({ params }: { params: Promise<{ path?: string[] }> }) {
  const { path = [] } = await params;
  if (path.length !== 0 && !(path.length === 2 && path[0] === "c")) notFound();
  return <ChatApp />;
}
