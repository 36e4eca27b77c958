#!/usr/bin/env bash
# google/gemini-2.5-flash, asked through Haltline in Google's generateContent dialect.
# HALTLINE_URL and HALTLINE_KEY say where and as whom.
set -euo pipefail
curl --silent --show-error --fail-with-body --no-buffer "${HALTLINE_URL:-http://127.0.0.1:4100}/v1beta/models/google/gemini-2.5-flash:generateContent" \
  --header "Authorization: Bearer ${HALTLINE_KEY:?a key of the gateway: haltline key create NAME}" \
  --header 'Content-Type: application/json' \
  --data '{"contents":[{"role":"user","parts":[{"text":"Say hello."}]}],"generationConfig":{"maxOutputTokens":200}}'
