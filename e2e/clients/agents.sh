#!/usr/bin/env bash
# Claude Code and Codex, one shot each, from their npm packages: a home of their own, no network
# but loopback, one question, and the answer must be the model's.
set -euo pipefail
modules="$PWD/e2e/clients/node24/node_modules"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home" "$work/project" "$work/codex"
status=0
said() { # name, what must be in the answer
  if grep -q "$2" "$work/answer"; then echo "test agents::$1 ... ok"; else
    echo "test agents::$1 ... FAILED: $(tail -c 1500 "$work/answer")"
    status=1
  fi
}
quiet=(env HOME="$work/home" CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1)

for model in anthropic/claude openai/gpt google/gemini; do
  (cd "$work/project" && "${quiet[@]}" ANTHROPIC_BASE_URL="$HALTLINE_E2E_URL" ANTHROPIC_AUTH_TOKEN="$HALTLINE_E2E_KEY" \
    ANTHROPIC_MODEL="$model" ANTHROPIC_DEFAULT_HAIKU_MODEL="$model" timeout 120 \
    "$modules/@anthropic-ai/claude-code-linux-x64/claude" -p "good day" --tools "" </dev/null >"$work/answer" 2>&1) || true
  said "claude code $model" "Hello! You said"
done
for model in openai/gpt anthropic/claude google/gemini; do
  cat >"$work/codex/config.toml" <<TOML
model = "$model"
model_provider = "haltline"
[model_providers.haltline]
name = "haltline"
base_url = "$HALTLINE_E2E_URL/v1"
env_key = "HALTLINE_E2E_KEY"
wire_api = "responses"
TOML
  (cd "$work/project" && "${quiet[@]}" CODEX_HOME="$work/codex" timeout 120 \
    "$modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex" exec --skip-git-repo-check "good day" \
    </dev/null >"$work/answer" 2>&1) || true
  said "codex $model" "The tool says"
done
# A budget that is used up: one attempt, and the reason in the user's sight.
curl -sS -X DELETE "$HALTLINE_E2E_FAKES/calls" >/dev/null
(cd "$work/project" && HALTLINE_E2E_KEY="$HALTLINE_E2E_POOR_KEY" "${quiet[@]}" CODEX_HOME="$work/codex" timeout 120 \
  "$modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex" exec --skip-git-repo-check "good day" \
  </dev/null >"$work/answer" 2>&1) || true
said "codex, a budget" "[Bb]udget\\|[Qq]uota\\|usage limit"
(cd "$work/project" && "${quiet[@]}" ANTHROPIC_BASE_URL="$HALTLINE_E2E_URL" ANTHROPIC_AUTH_TOKEN="$HALTLINE_E2E_POOR_KEY" \
  ANTHROPIC_MODEL=anthropic/claude timeout 120 \
  "$modules/@anthropic-ai/claude-code-linux-x64/claude" -p "good day" --tools "" </dev/null >"$work/answer" 2>&1) || true
said "claude code, a budget" "[Bb]udget"
exit "$status"
