"""What the rails of this folder do: no model, no network."""

import re
from nemoguardrails.actions import action

@action(name="check_words")
async def check_words(context=None):
    return "bluebird" not in (context.get("user_message") or "")

@action(name="mask_numbers")
async def mask_numbers(context=None):
    return re.sub(r"[0-9]{3,}", "***", context.get("bot_message") or "")
