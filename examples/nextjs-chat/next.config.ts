import type { NextConfig } from "next";

const csp = [
  "default-src 'self'",
  // Next.js starts with inline scripts; `next dev` evaluates code.
  `script-src 'self' 'unsafe-inline'${process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : ""}`,
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

const config: NextConfig = {
  poweredByHeader: false,
  reactStrictMode: true,
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "content-security-policy", value: csp },
        { key: "referrer-policy", value: "same-origin" },
        { key: "x-content-type-options", value: "nosniff" },
      ],
    },
  ],
};

export default config;
