#!/usr/bin/env python3
"""Writes openai.toml, the price catalogue that is part of the program, from a merged price list.

    HALTLINE_SHARED=../shared python3 prices/build.py

The list (data/prices/prices.json) compares three public price lists. Taken over are OpenAI's chat
models on which two of them agree, or where they do not, at the dearest of what they say. Models
that bill by anything but tokens (audio, searches on every call) are left out: their cost is not a
function of what is sent. Numbers are copied as decimal strings; nothing here computes with floats.
"""

import json
import os
import re
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("HALTLINE_SHARED", HERE.parent.parent / "shared"))
FAMILIES = re.compile(r"^(chat-latest|gpt-3\.5-turbo|gpt-4|gpt-4-turbo|gpt-4\.1|gpt-4o|gpt-5|gpt-6|o1|o3|o4)([-.]|$)")
NOT_TOKENS_ALONE = re.compile(r"audio|search|realtime|deep-research|transcribe|tts|instruct|image")
NAMES = {"genai": "genai-prices", "litellm": "litellm", "modelsdev": "models.dev"}

HEADER = """\
# What OpenAI's chat models cost, in USD per million tokens. Written by prices/build.py: change the
# script or the list it reads, not this file. A price here is a claim with a date, which nobody asks
# OpenAI about; `[prices]` in a configuration goes before it.
#
# A row applies to all tokens of a request whose prompt has more than `over` tokens. `settle` is
# what is charged; `ceiling`, where there is one, is dearer and is what a hold is computed with.
# `sources` are the lists that agree; `doubt` says on what they do not. `retires` is the day on
# which the model is said to be shut down.
"""


def rows(settle):
    """Rows in the catalogue's words."""
    out = []
    for row in settle:
        price = row["per_mtok"]
        fields = [f"over = {row['over_prompt_tokens']}", f"input = \"{price['input']}\""]
        if "cache_read" in price:
            fields.append(f"cached_input = \"{price['cache_read']}\"")
        if "cache_write" in price:
            fields.append(f"cache_write = \"{price['cache_write']}\"")
        fields.append(f"output = \"{price['output']}\"")
        out.append("{ " + ", ".join(fields) + " }")
    return out


def ceiling_rows(model):
    """The list's ceiling in the shape of settle rows; cache reads are never dearer than input."""
    return [
        {
            "over_prompt_tokens": row["over_prompt_tokens"],
            "per_mtok": {
                "input": row["input"],
                "cache_write": row["input_or_default_write"],
                "output": row["output"],
            },
        }
        for row in model["ceiling"]
    ]


def is_dearer(ceiling, settle):
    """Does the ceiling say more than what is charged?"""
    if len(ceiling) != len(settle):
        return True
    for high, low in zip(ceiling, settle):
        high, low = high["per_mtok"], low["per_mtok"]
        written = low.get("cache_write", low["input"])
        pairs = [(high["input"], low["input"]), (high["cache_write"], written), (high["output"], low["output"])]
        if any(Decimal(a) > Decimal(b) for a, b in pairs):
            return True
    return False


def wanted(model):
    """Is it a chat model that bills by tokens, and by prices that somebody else confirms?"""
    name = model["id"]
    return (
        model["provider"] == "openai"
        and model["mode"] == "chat"
        and FAMILIES.match(name)
        and not NOT_TOKENS_ALONE.search(name)
        and ":" not in name
        and model["status"] in ("agree", "disagree")
        and len(model["sources"]) >= 2
        and "max_output" in model["limits"]
    )


def entry(model):
    """One model as TOML."""
    limits = model["limits"]
    # The larger of the two: more than this the provider cannot take, whichever is right.
    max_input = max(limits.get("max_input", 0), limits.get("context", 0))
    ceiling = ceiling_rows(model)
    settle = model["settle"]
    if model["status"] == "disagree":
        # The books must not be below the bill: charge the dearest until somebody settles it.
        settle = ceiling
    lines = [f"[models.\"{model['id']}\"]"]
    lines += [f"max_input = {max_input}", f"max_output = {limits['max_output']}"]
    lines.append("settle = [\n" + "".join(f"  {row},\n" for row in rows(settle)) + "]")
    if is_dearer(ceiling, settle):
        lines.append("ceiling = [\n" + "".join(f"  {row},\n" for row in rows(ceiling)) + "]")
    regional = sorted({v for k, v in model.get("multipliers", {}).items() if k.startswith("regional_processing")})
    if regional:
        lines.append(f'regional = "{regional[-1]}"')
    if model.get("deprecation"):
        lines.append(f'retires = "{model["deprecation"]}"')
    doubts = sorted({issue.get("field", issue["kind"]) for issue in model["issues"]})
    if doubts:
        lines.append("doubt = [" + ", ".join(f'"{doubt}"' for doubt in doubts) + "]")
    lines.append("sources = [" + ", ".join(f'"{NAMES[source]}"' for source in model["sources"]) + "]")
    verified = re.findall(r"erified[^.]* on (\d{4}-\d{2}-\d{2})", model.get("comments_genai", ""))
    if verified:
        lines.append(f'verified = "{max(verified)}"')
    if model.get("source_url"):
        lines.append(f'page = "{model["source_url"]}"')
    return "\n".join(lines) + "\n"


def main():
    """Writes the file."""
    listed = json.loads((SHARED / "data/prices/prices.json").read_text())
    parts = [HEADER, "[catalogue]", 'provider = "openai"', f'as_of = "{listed["generated_for"]}"']
    parts.append("lists = [")
    for source in listed["sources"]:
        parts.append(f'  "{NAMES[source["name"]]}: {source["version"]}, {source["date"]}, {source["licence"]}",')
    parts.append("]\n")
    models = sorted((m for m in listed["models"].values() if wanted(m)), key=lambda m: m["id"])
    text = "\n".join(parts) + "\n" + "\n".join(entry(model) for model in models)
    (HERE / "openai.toml").write_text(text)
    print(f"{len(models)} models")


if __name__ == "__main__":
    main()
