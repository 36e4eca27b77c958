#!/usr/bin/env bash
# Guardrails AI's and NeMo Guardrails' own servers, with rules that need neither a model nor a hub,
# against what speaks to them. Installs the pinned servers itself; talks to loopback only; ends what
# it started.
set -euo pipefail
cd "$(dirname "$0")/.."
target_dir="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target_dir"
target_dir="$(cd "$target_dir" && pwd)"
root="$PWD"
work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# The two want different versions of the same packages.
installed() {
  local venv="$target_dir/$1"
  if ! "$venv/bin/python" -c "import $3" 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "e2e/guards/$2"
  fi
}
installed e2e-guardrails-ai-venv requirements-guardrails-ai.txt guardrails_api
installed e2e-nemo-venv requirements-nemo.txt nemoguardrails
cargo test --locked --quiet -p haltline-upstream --test main --no-run

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() {
  for _ in $(seq 300); do
    curl --silent --fail --max-time 2 --output /dev/null "$1" && return
    sleep 0.2
  done
  echo "$2 did not start"
  cat "$3"
  exit 1
}

# Neither has anything to look up or to tell anybody.
export LITELLM_LOCAL_MODEL_COST_MAP=True OTEL_SDK_DISABLED=true DO_NOT_TRACK=1 NEMO_GUARDRAILS_NO_USAGE_STATS=1
cp -r e2e/guards/config.py e2e/guards/nemo "$work/"
guardrails_port="$(free_port)"
cd "$work"
"$target_dir/e2e-guardrails-ai-venv/bin/guardrails-api" start --config config.py --port "$guardrails_port" >"$work/gai.out" 2>&1 &
pids+=($!)
nemo_port="$(free_port)"
"$target_dir/e2e-nemo-venv/bin/nemoguardrails" server --config "$work/nemo" --port "$nemo_port" >"$work/nemo.out" 2>&1 &
pids+=($!)
cd "$root"
export HALTLINE_GUARDRAILS_AI_URL="http://127.0.0.1:$guardrails_port"
export HALTLINE_NEMO_URL="http://127.0.0.1:$nemo_port"
answers "$HALTLINE_GUARDRAILS_AI_URL/guards" "the Guardrails AI server" "$work/gai.out"
answers "$HALTLINE_NEMO_URL/v1/rails/configs" "the NeMo Guardrails server" "$work/nemo.out"

cargo test --locked --quiet -p haltline-upstream --test main -- --ignored --exact \
  guards::the_vendors_own_servers_are_understood
