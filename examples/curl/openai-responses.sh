#!/usr/bin/env bash
# openai/gpt-5-mini, asked through Haltline in OpenAI's Responses dialect.
# HALTLINE_URL and HALTLINE_KEY say where and as whom.
set -euo pipefail
curl --silent --show-error --fail-with-body --no-buffer "${HALTLINE_URL:-http://127.0.0.1:4100}/v1/responses" \
  --header "Authorization: Bearer ${HALTLINE_KEY:?a key of the gateway: haltline key create NAME}" \
  --header 'Content-Type: application/json' \
  --data '{"model":"openai/gpt-5-mini","max_output_tokens":200,"input":"Say hello.","stream":true}'
