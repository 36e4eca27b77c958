// A page of another site that wants to act for whoever looks at it: at `localhost`, where the app and the
// gateway are at 127.0.0.1, so that browsers see two sites.

import { createServer } from "node:http";

/** `gateway`: whom it attacks. */
export async function startOtherSite(gateway) {
  const page = `<!doctype html><title>Another site</title>
<img src="${gateway}/v1/auth/refresh" alt="">
<iframe name="hidden" style="display:none"></iframe>
<form method="post" target="hidden" action="${gateway}/v1/auth/logout"><input name="a" value="b"></form>
<form method="post" target="hidden" action="${gateway}/v1/auth/refresh" enctype="text/plain"><input name='{"a":"' value='"}'></form>
<p id="done"></p>`;
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(page));
  await new Promise((done) => server.listen(0, "localhost", done));
  return { url: `http://localhost:${server.address().port}` };
}
