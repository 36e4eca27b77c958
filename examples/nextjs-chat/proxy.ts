// Gives a visitor a name before the first question, so that all requests of a page have the same.

import { type NextRequest, NextResponse } from "next/server";
import { cookie, USER_COOKIE } from "./lib/gateway.ts";

export function proxy(request: NextRequest): NextResponse {
  const response = NextResponse.next();
  if (!request.cookies.has(USER_COOKIE)) response.headers.append("set-cookie", cookie(`web-${crypto.randomUUID()}`));
  return response;
}

export const config = { matcher: ["/", "/c/:path*"] };
