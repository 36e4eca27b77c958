// What the page may load and ask. Made at run time, because the gateway's address is a setting.

/** `connect`: where scripts may ask besides this server. */
export function contentSecurityPolicy(connect: string[]): string {
  return [
    "default-src 'self'",
    // Next.js starts with inline scripts; `next dev` evaluates code.
    `script-src 'self' 'unsafe-inline'${process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : ""}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    ["connect-src 'self'", ...connect].join(" "),
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}
