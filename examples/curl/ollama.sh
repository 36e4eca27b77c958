#!/usr/bin/env bash
# ollama/llama3.2, asked through Haltline in OpenAI's Chat Completions dialect.
# HALTLINE_URL and HALTLINE_KEY say where and as whom.
set -euo pipefail
curl --silent --show-error --fail-with-body --no-buffer "${HALTLINE_URL:-http://127.0.0.1:4100}/v1/chat/completions" \
  --header "Authorization: Bearer ${HALTLINE_KEY:?a key of the gateway: haltline key create NAME}" \
  --header 'Content-Type: application/json' \
  --data '{"model":"ollama/llama3.2","max_tokens":200,"messages":[{"role":"user","content":"Say hello."}],"stream":true}'
