// Before any page: whoever is not signed in goes to /login, where people sign in at all. Else a visitor
// gets a name before the first question, so that all requests of a page have the same. A redirect is
// comfort; what counts is `withAuth` in each route.

import { type NextRequest, NextResponse } from "next/server";
import { newVisitor, signsIn, userOf, visitorCookie } from "./lib/auth.ts";
import { contentSecurityPolicy } from "./lib/csp.ts";
import { settings } from "./lib/gateway.ts";

export async function proxy(request: NextRequest): Promise<NextResponse> {
  const user = await userOf(request.headers.get("cookie") ?? "");
  const isLogin = request.nextUrl.pathname === "/login";
  if (signsIn() && isLogin === (user !== undefined)) {
    return NextResponse.redirect(new URL(isLogin ? "/" : "/login", request.url), 303);
  }
  const response = NextResponse.next();
  const { browserUrl } = settings();
  response.headers.set("content-security-policy", contentSecurityPolicy(browserUrl ? [new URL(browserUrl).origin] : []));
  if (user === undefined && !signsIn()) response.headers.append("set-cookie", visitorCookie(newVisitor()));
  return response;
}

export const config = { matcher: ["/", "/login", "/c/:path*"] };
