#!/usr/bin/env bash
# What useChat's transport sends, for one question: the AI SDK's UI message stream comes back.
# HALTLINE_URL and HALTLINE_KEY say where and as whom.
set -euo pipefail
curl --silent --show-error --fail-with-body --no-buffer "${HALTLINE_URL:-http://127.0.0.1:4100}/api/chat" \
  --header "Authorization: Bearer ${HALTLINE_KEY:?a key of the gateway: haltline key create NAME}" \
  --header 'Content-Type: application/json' \
  --data '{"id":"chat-1","trigger":"submit-message","model":"anthropic/claude-haiku-4-5","messages":[{"id":"m1","role":"user","parts":[{"type":"text","text":"Say hello."}]}]}'
