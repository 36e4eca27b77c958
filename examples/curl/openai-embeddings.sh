#!/usr/bin/env bash
# openai/text-embedding-3-small, asked through Haltline in OpenAI's embeddings dialect.
# HALTLINE_URL and HALTLINE_KEY say where and as whom.
set -euo pipefail
curl --silent --show-error --fail-with-body --no-buffer "${HALTLINE_URL:-http://127.0.0.1:4100}/v1/embeddings" \
  --header "Authorization: Bearer ${HALTLINE_KEY:?a key of the gateway: haltline key create NAME}" \
  --header 'Content-Type: application/json' \
  --data '{"model":"openai/text-embedding-3-small","input":"Say hello."}'
