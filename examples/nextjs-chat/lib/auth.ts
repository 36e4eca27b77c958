// Who is here, as this app knows it. Replace it with your own session: `userOf` and `withAuth` are all
// that the rest of the app uses.
//
// Without sign-in every visitor gets a random name. With it (`HALTLINE_BROWSER_URL`), people give a name
// on /login, which stands for whatever proves who somebody is, and the name is kept in a signed cookie.

import { refuse, settings } from "./gateway.ts";

/** The cookie that tells visitors apart where nobody signs in. */
export const VISITOR_COOKIE = "haltline-chat-user";
/** The cookie of who has signed in. */
export const SESSION_COOKIE = "haltline-chat-session";
const SESSION_SECONDS = 12 * 3600;

/** Does this app have people sign in, and their browsers ask the gateway themselves? */
export const signsIn = () => settings().browserUrl !== "";

export type Handler<P> = (request: Request, user: string, params: P) => Promise<Response>;

/**
 * A route handler for people who are known. Whoever is not gets 401 (or, without sign-in, a name), and
 * other sites' pages get 403: the cookie alone must not do anything.
 */
export function withAuth<P = Record<string, never>>(handle: Handler<P>) {
  return async (request: Request, context: { params: Promise<P> }): Promise<Response> => {
    const site = request.headers.get("sec-fetch-site");
    if (site && site !== "same-origin" && site !== "none") return refuse(403, "csrf", "This request came from another site.");
    const known = await userOf(request.headers.get("cookie") ?? "");
    if (known === undefined && signsIn()) return refuse(401, "auth_missing", "Please sign in.");
    const user = known ?? newVisitor();
    const answer = await handle(request, user, await context.params);
    if (known === undefined) answer.headers.append("set-cookie", visitorCookie(user));
    return answer;
  };
}

/** Who a request is from, by its cookies. */
export async function userOf(cookies: string): Promise<string | undefined> {
  if (!signsIn()) return cookieOf(cookies, VISITOR_COOKIE, /^[\w-]{8,64}$/);
  const [body = "", signature = ""] = (cookieOf(cookies, SESSION_COOKIE, /^[\w-]+\.[\w-]+$/) ?? "").split(".");
  if (body === "" || !(await crypto.subtle.verify("HMAC", await signingKey(), bytesOf(signature), new TextEncoder().encode(body)))) return undefined;
  const { user, until } = JSON.parse(new TextDecoder().decode(bytesOf(body))) as { user: string; until: number };
  return Date.now() < until ? user : undefined;
}

export const newVisitor = () => `web-${crypto.randomUUID()}`;
export const visitorCookie = (user: string) => cookie(VISITOR_COOKIE, user, 31_536_000);
export const noSessionCookie = () => cookie(SESSION_COOKIE, "", 0);

export async function sessionCookie(user: string): Promise<string> {
  const body = textOf(new TextEncoder().encode(JSON.stringify({ user, until: Date.now() + SESSION_SECONDS * 1000 })));
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", await signingKey(), new TextEncoder().encode(body)));
  return cookie(SESSION_COOKIE, `${body}.${textOf(signature)}`, SESSION_SECONDS);
}

/** Out of reach of scripts. */
function cookie(name: string, value: string, seconds: number): string {
  const secure = process.env.HALTLINE_COOKIE_SECURE === "true" ? "; Secure" : "";
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
}

function cookieOf(cookies: string, name: string, shape: RegExp): string | undefined {
  const value = cookies.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  return value !== undefined && shape.test(value) ? value : undefined;
}

/** Without a secret of its own the app signs with what only servers know: the gateway's key. */
const signingKey = () => {
  const secret = new TextEncoder().encode(process.env.APP_SECRET || `haltline-chat-session:${settings().key}`);
  return crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
};

function textOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}
