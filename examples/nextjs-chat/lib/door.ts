// Which way questions go: to this app's server, which passes them on, or to the gateway itself.

import { HaltlineSignIn } from "./haltline-sign-in.ts";
import type { TransportOptions } from "./haltline-transport.ts";

/** The gateway, for browsers that ask it themselves. */
export interface Direct {
  url: string;
  model: string;
}

let direct: Direct | undefined;
let signIn: HaltlineSignIn | undefined;

/** Says which way, before the first question. */
export function through(way: Direct | undefined): void {
  if (direct || !way) return;
  direct = way;
  signIn = new HaltlineSignIn({ url: way.url, code, onLeft: () => location.assign("/login") });
}

/** How the transport asks. */
export function way(): TransportOptions {
  if (!direct || !signIn) return {};
  const { url, model } = direct;
  return { api: `${url}/api/chat`, fetch: signIn.fetch, body: { model } };
}

/** What an answer has cost, in dollars; undefined while that is not known. */
export async function costOf(id: string): Promise<string | undefined> {
  if (!direct || !signIn) {
    const answer = await fetch(`/api/cost/${id}`).catch(() => undefined);
    return answer?.ok ? ((await answer.json()) as { cost?: string }).cost : undefined;
  }
  const answer = await signIn.fetch(`${direct.url}/v1/generation?id=${id}`).catch(() => undefined);
  return answer?.ok ? ((await answer.json()) as { data?: { total_cost?: string } }).data?.total_cost : undefined;
}

/** Leaves the gateway and this app, in all tabs. */
export async function leave(): Promise<void> {
  await fetch("/api/logout", { method: "POST" }).catch(() => undefined);
  await signIn?.leave();
}

async function code(): Promise<string | undefined> {
  const answer = await fetch("/api/haltline/token", { method: "POST" });
  if (answer.status === 401) return undefined;
  if (!answer.ok) throw new TypeError(`The app answers ${answer.status}.`);
  return ((await answer.json()) as { code: string }).code;
}
