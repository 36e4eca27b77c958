#!/usr/bin/env bash
# Real SDKs against the real gateway in front of the billing fake provider. Installs the pinned
# clients itself; talks to loopback only; ends what it started.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --quiet -p haltline -p haltline-testkit
target_dir="${CARGO_TARGET_DIR:-target}"
work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

venv="$target_dir/e2e-venv"
if ! "$venv/bin/python" -c 'import openai' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r e2e/python/requirements.txt
fi
(cd e2e/node && [ -d node_modules/openai ] || npm ci --loglevel=error --no-audit --no-fund)

"$target_dir/debug/fake-provider" --port 0 --price-in 1000000 --price-out 10000000 >"$work/provider.out" 2>"$work/provider.err" &
pids+=($!)
for _ in $(seq 100); do grep -q '^ready ' "$work/provider.out" 2>/dev/null && break; sleep 0.1; done
provider="$(sed -n 's/^ready //p' "$work/provider.out")"
[ -n "$provider" ] || { echo "the fake provider did not start"; cat "$work/provider.err"; exit 1; }

start_gateway() { # name, budget
  local name="$1" budget="$2" dir="$work/$1"
  mkdir -p "$dir"
  cat >"$dir/haltline.toml" <<TOML
[server]
listen = "127.0.0.1:0"
[store]
url = "file:$dir/data"
[providers.fake]
kind = "openai-compatible"
base_url = "$provider/v1"
[models.chat]
targets = ["fake/m"]
max_output_tokens = 200
[prices."fake/m"]
input = "1"
output = "10"
[breaker]
failures = 1000
[streams]
on_cut = "end"
[retry]
base = "1ms"
[[budgets]]
name = "day"
scope = "key"
limit = "$budget"
window = "day"
TOML
  "$target_dir/debug/haltline" key create sdk -c "$dir/haltline.toml" --format json >"$dir/key.json"
  "$target_dir/debug/haltline" serve -c "$dir/haltline.toml" >"$dir/out" 2>"$dir/err" &
  pids+=($!)
  for _ in $(seq 100); do [ -s "$dir/data/admin.json" ] && break; sleep 0.1; done
  [ -s "$dir/data/admin.json" ] || { echo "the gateway did not start"; cat "$dir/err"; exit 1; }
}
field() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }

start_gateway rich '$10'
start_gateway poor '$0.0001'
export HALTLINE_E2E_PROVIDER="$provider"
export HALTLINE_E2E_RICH_URL="$(field "$work/rich/data/admin.json" url)/v1"
export HALTLINE_E2E_RICH_KEY="$(field "$work/rich/key.json" secret)"
export HALTLINE_E2E_POOR_URL="$(field "$work/poor/data/admin.json" url)/v1"
export HALTLINE_E2E_POOR_KEY="$(field "$work/poor/key.json" secret)"

status=0
"$venv/bin/python" e2e/python/test_openai.py || status=1
node e2e/node/test_openai.mjs || status=1
if [ "$status" != 0 ]; then
  for name in rich poor; do echo "--- gateway $name"; tail -n 40 "$work/$name/err"; done
fi
exit "$status"
