import type { NextConfig } from "next";

const config: NextConfig = {
  poweredByHeader: false,
  reactStrictMode: true,
  // What pages may load stands in proxy.ts: it depends on where the gateway is.
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "referrer-policy", value: "same-origin" },
        { key: "x-content-type-options", value: "nosniff" },
        { key: "x-frame-options", value: "DENY" },
      ],
    },
  ],
};

export default config;
