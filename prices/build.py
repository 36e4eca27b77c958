#!/usr/bin/env python3
"""Writes the price catalogue that is part of the program, one file for each provider.

    HALTLINE_SHARED=../shared python3 prices/build.py [--diff | --check]

--diff prints what would change and writes nothing; --check does the same in silence and fails when
something would. The list (data/prices/prices.json) compares three public price lists. Taken over is
every model whose cost is a function of its tokens and whose limits are known; what is left out, and
why, stands in left-out.md. Where the lists differ, the dearest of what they say is charged: the
books must not be below the bill. Numbers are decimal strings throughout; nothing here computes with
binary floats.
"""

import argparse
import re
import sys
import tomllib
from decimal import Decimal

from openrouter import openrouter
from sources import HERE, NAMES, listed

PROVIDERS = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google (Gemini API)",
    "mistral": "Mistral",
    "azure": "Azure OpenAI and AI Foundry",
    "groq": "Groq",
    "deepseek": "DeepSeek",
    "xai": "xAI",
    "together": "Together AI",
    "bedrock": "Amazon Bedrock",
    "vertex": "Google Vertex AI",
    "openrouter": "OpenRouter",
}
MODES = ("chat", "responses", "embedding")
# Billed by anything but tokens of text: sound, pictures, searches on every call, sessions.
NOT_TOKENS_ALONE = re.compile(
    r"audio|-search|realtime|deep-research|transcribe|-tts|image|lyria|omni|banana|computer-use|-live|voxtral|pegasus|container|rerank|marengo"
)
# What one of the lists knows to be billed in another unit.
OTHER_UNITS = re.compile(r"_per_image|_per_second|audio_hours|per_character|per_query")
FEES = {
    "web_search_per_1k": "web_search",
    "file_search_per_1k": "file_search",
    "maps_grounding_per_1k": "maps",
}
# Their own figure in the usage report is the bill.
STATES_COST = ("xai", "openrouter")
# An hour's cache is written by those who ask for it, at Anthropic's models wherever they run.
LONG_WRITES = "cache_write_1h"
# A factor wherever a deployment of unknown region may be meant and no list says more.
REGIONAL_DEFAULT = {"azure": "1.1", "bedrock": "1.1", "vertex": "1.1"}
FACTORS = re.compile(r"^(regional_|us$)")

HEADER = """\
# What the models of {title} cost, in USD per million tokens. Written by prices/build.py: change the
# script or the list it reads, not this file. A price here is a claim with a date, which nobody asked
# the provider about; `[prices]` in a configuration goes before it.
#
# A row applies to all tokens of a request whose prompt has more than `over` tokens. `settle` is
# what is charged; `ceiling`, where there is one, is dearer and is what a hold is computed with;
# `changes` are rates from a day on or between two times of the day (UTC). `media` is the dearest
# rate of sound, pictures and film where it is above that of text. `fees` are USD for one use of a
# tool. `regional` is the factor of regional endpoints. `status` tells whether the lists agree, on
# which point not (`doubt`), and `sources` names them. `retires` is the day on which the model is
# said to be shut down.
"""


def plain(number):
    """A decimal string without exponent and without zeros at its end."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(per, no_output):
    """The rates of one row in the catalogue's words."""
    out = {"input": per["input"]}
    if "cache_read" in per:
        out["cached_input"] = per["cache_read"]
    if "cache_write" in per:
        out["cache_write"] = per["cache_write"]
    if LONG_WRITES in per:
        out["cache_write_long"] = per[LONG_WRITES]
    media = [per[kind] for kind in ("input_audio", "input_image", "input_video", "cache_read_audio") if kind in per]
    dearest = max(media, key=Decimal, default="0")
    if Decimal(dearest) > Decimal(per["input"]):
        out["media"] = dearest
    outputs = [per[kind] for kind in ("output", "reasoning") if kind in per]
    out["output"] = "0" if no_output else max(outputs, key=Decimal)
    return {kind: plain(rate) for kind, rate in out.items() if kind in ("input", "output") or Decimal(rate) > 0}


def settle_rows(model, no_output):
    """What is charged."""
    rows = [(row["over_prompt_tokens"], cell(row["per_mtok"], no_output)) for row in model["settle"]]
    if model["status"] != "disagree":
        return rows
    ceiling = dict(ceiling_rows(model, no_output))
    lists = [issue for issue in model["issues"] if issue.get("field") == "cache_read" and issue["kind"] == "price"]
    windows = [row["per_mtok"] for row in model.get("daily_windows", []) + model.get("scheduled", [])]
    reads = [value for issue in lists for value in issue["values"].values() if value is not None]
    reads += [row["per_mtok"]["cache_read"] for row in model["settle"] if "cache_read" in row["per_mtok"]]
    reads += [per["cache_read"] for per in windows if "cache_read" in per]
    out = []
    for over, row in ceiling.items():
        row = dict(row)
        settled = [rates for at, rates in rows if at <= over][-1]
        media = settled.get("media")
        if media and Decimal(media) > Decimal(row["input"]):
            row["media"] = media
        # A read is charged at the dearest that a list says of it, if all that is charged has one.
        if "cached_input" in settled:
            row["cached_input"] = plain(max(reads, key=Decimal))
        out.append((over, {kind: row[kind] for kind in ORDER if kind in row}))
    return out


ORDER = ("input", "cached_input", "cache_write", "cache_write_long", "media", "output")


def ceiling_rows(model, no_output):
    """The list's ceiling in the same shape; a read is never dearer than input."""
    out = []
    has_long = any(LONG_WRITES in row["per_mtok"] for row in model["settle"])
    for row in model["ceiling"]:
        rates = {"input": plain(row["input"])}
        if Decimal(row["input_or_default_write"]) > Decimal(row["input"]):
            rates["cache_write"] = plain(row["input_or_default_write"])
        if has_long and Decimal(row["input_any_retention"]) > Decimal(row["input_or_default_write"]):
            rates["cache_write_long"] = plain(row["input_any_retention"])
        rates["output"] = "0" if no_output else plain(row["output"])
        out.append((row["over_prompt_tokens"], rates))
    return out


def rate(row, kind):
    """A rate, or the one that stands in for it."""
    stand_in = {"cache_write": "input", "cache_write_long": "cache_write", "cached_input": "input"}
    while kind not in row:
        kind = stand_in[kind]
    return Decimal(row[kind])


def is_dearer(high, low):
    """Does `high` say more than `low` for a prompt of some length?"""
    for over in {over for over, _ in high} | {over for over, _ in low}:
        above = [row for at, row in high if at <= over][-1]
        below = [row for at, row in low if at <= over][-1]
        kinds = ("input", "cache_write", "cache_write_long", "output")
        if any(rate(above, kind) > rate(below, kind) for kind in kinds):
            return True
    return False


def changes(model, settle, no_output):
    """Rates at other times, those that come last going before those that come first."""
    found = {}
    for row in sorted(model.get("scheduled", []), key=lambda row: row["start"]):
        found.setdefault((f'from = "{row["start"]}"',), []).append(row)
    for row in model.get("daily_windows", []):
        begin, end = row["daily_utc"]
        found.setdefault((f'hours = "{begin}-{end}"',), []).append(row)
    out = []
    for (when,), rows in found.items():
        rows = [(row["over_prompt_tokens"], cell(row["per_mtok"], no_output)) for row in rows]
        # Where the dearest is charged anyway, hours change nothing. A fall is kept: it has a day.
        if when.startswith("hours") and not is_dearer(rows, settle):
            continue
        out.append((when, rows))
    return out


def limits(model):
    """The longest input and output, and whether the second stands in for an unknown one."""
    limit = model["limits"]
    # The larger: more than this the provider cannot take, whichever is right.
    max_input = max(limit.get("max_input", 0), limit.get("context", 0))
    if model["mode"] == "embedding":
        return max_input, 0, False
    if "max_output" in limit:
        return max_input, limit["max_output"], False
    return max_input, limit.get("context", 0) or limit.get("max_input", 0), True


def why_not(model):
    """Why a model is left out; None when it is not."""
    name, provider = model["id"], model["provider"]
    if model["status"] in ("zero", "no_price"):
        return "no list has a price above zero"
    if model["mode"] not in MODES:
        return f"mode {model['mode']} has no endpoint"
    if model.get("regional_entry") or (provider == "bedrock" and "/" in name):
        return "a region or a commitment in the id: `regional` or `multiplier` says it"
    if provider == "openrouter" and name.endswith((":batch", ":flex", ":priority")):
        return "a service tier of its own: only the standard one is called"
    if provider == "openai" and (":" in name or ".ft-" in name):
        return "the id of a fine-tuned model carries its owner's name"
    if NOT_TOKENS_ALONE.search(name) or any(OTHER_UNITS.search(unit) for unit in model.get("not_merged", [])):
        return "billed by more than tokens of text"
    if any(kind in row["per_mtok"] for row in model["settle"] for kind in ("output_audio", "output_image", "output_video")):
        return "billed by more than tokens of text"
    if "request_per_1k" in model.get("fees", {}):
        return "billed by the request"
    no_output = model["mode"] == "embedding"
    for row in model["settle"]:
        per = row["per_mtok"]
        if "input" not in per or (not no_output and "output" not in per):
            return "no list has both a rate for input and one for output"
        low, high = Decimal("0.001"), Decimal(1000)
        if not low <= Decimal(per["input"]) <= high or (not no_output and not low <= Decimal(per["output"]) <= high):
            return "a rate outside 0.001 to 1,000 USD per million tokens"
        if not no_output and Decimal(per["output"]) < Decimal(per["input"]) / 10:
            return "output cheaper than a tenth of input"
    max_input, max_output, _ = limits(model)
    if max_input == 0 or (max_output == 0 and not no_output):
        return "no list has its limits"
    return None


def regional_of(model, models):
    """The dearest factor of a regional endpoint that a list has for it."""
    found = [value for key, value in model.get("multipliers", {}).items() if FACTORS.match(key)]
    base = {row["over_prompt_tokens"]: row["per_mtok"] for row in model["settle"]}
    for other in models:
        if model["provider"] != "azure" or not other.get("regional_entry") or other["id"].split("/")[-1] != model["id"]:
            continue
        for row in other["settle"]:
            per = base.get(row["over_prompt_tokens"], {})
            for kind in ("input", "output"):
                if Decimal(per.get(kind, 0)) > 0 and kind in row["per_mtok"]:
                    ratio = Decimal(row["per_mtok"][kind]) / Decimal(per[kind])
                    found.append(str(ratio.quantize(Decimal("0.001"), rounding="ROUND_UP")))
    default = REGIONAL_DEFAULT.get(model["provider"])
    found += [default] if default else []
    dearest = max(found, key=Decimal, default="1")
    return plain(dearest) if Decimal(dearest) > 1 else None


def table(rows):
    """Rows as TOML."""
    def line(over, row):
        fields = [f"over = {over}"] + [f'{kind} = "{row[kind]}"' for kind in ORDER if kind in row]
        return "  { " + ", ".join(fields) + " },\n"

    return "[\n" + "".join(line(over, row) for over, row in rows) + "]"


def entry(model, models):
    """One model as TOML."""
    no_output = model["mode"] == "embedding"
    max_input, max_output, is_context = limits(model)
    settle, ceiling = settle_rows(model, no_output), ceiling_rows(model, no_output)
    lines = [f"[models.\"{model['id']}\"]", f"max_input = {max_input}", f"max_output = {max_output}"]
    lines.append(f"settle = {table(settle)}")
    if is_dearer(ceiling, settle):
        lines.append(f"ceiling = {table(ceiling)}")
    for when, rows in changes(model, settle, no_output):
        rows = ", ".join(row.strip().rstrip(",") for row in table(rows).splitlines()[1:-1])
        lines.append(("changes = [\n" if "changes = [" not in "\n".join(lines) else "") + f"  {{ {when}, settle = [{rows}] }},")
    if any(line.startswith("changes") for line in lines):
        lines.append("]")
    fees = {FEES[key]: Decimal(fee) / 1000 for key, fee in model.get("fees", {}).items() if key in FEES}
    session = model.get("fees", {}).get("code_interpreter_session")
    if session:
        fees["code_session"] = Decimal(session)
    if any(fees.values()):
        lines.append("fees = { " + ", ".join(f'{kind} = "{plain(fee)}"' for kind, fee in sorted(fees.items()) if fee) + " }")
    regional = regional_of(model, models)
    if regional:
        lines.append(f'regional = "{regional}"')
    if model.get("deprecation"):
        lines.append(f'retires = "{model["deprecation"]}"')
    lines.append(f'status = "{model["status"]}"')
    doubts = {issue.get("field", issue["kind"]) for issue in model["issues"]} | ({"max_output"} if is_context else set())
    if doubts:
        lines.append("doubt = [" + ", ".join(f'"{doubt}"' for doubt in sorted(doubts)) + "]")
    lines.append("sources = [" + ", ".join(f'"{NAMES[source]}"' for source in model["sources"]) + "]")
    verified = re.findall(r"erified[^.]* on (\d{4}-\d{2}-\d{2})", model.get("comments_genai", ""))
    if verified:
        lines.append(f'verified = "{max(verified)}"')
    page = model.get("source_url", "").split("?")[0]
    if page:
        lines.append(f'page = "{page}"')
    return "\n".join(lines) + "\n"


def files():
    """Every file with its text, and what is left out."""
    lists = listed()
    models = list(lists["models"].values()) + openrouter(lists["generated_for"])
    out, left_out = {}, []
    for provider, title in PROVIDERS.items():
        own = sorted((model for model in models if model["provider"] == provider), key=lambda model: model["id"])
        parts = [HEADER.format(title=title), "[catalogue]", f'provider = "{provider}"']
        parts.append(f'as_of = "{lists["generated_for"]}"')
        if provider in STATES_COST:
            parts.append("states_cost = true")
        parts.append("lists = [")
        for source in lists["sources"]:
            parts.append(f'  "{NAMES[source["name"]]}: {source["version"]}, {source["date"]}, {source["licence"]}",')
        parts.append("]\n")
        taken = []
        for model in own:
            why = why_not(model)
            if why:
                left_out.append((provider, model["id"], why))
            else:
                taken.append(entry(model, own))
        out[f"{provider}.toml"] = "\n".join(parts) + "\n" + "\n".join(taken)
    lines = ["# Models that have no shipped price, and why", ""]
    lines += ["<!-- written by prices/build.py; do not edit -->", "", "| provider | why | models |", "|---|---|---|"]
    for provider, why in dict.fromkeys((provider, why) for provider, _, why in left_out):
        names = ", ".join(f"`{name}`" for of, name, reason in left_out if (of, reason) == (provider, why))
        lines.append(f"| {provider} | {why} | {names} |")
    out["left-out.md"] = "\n".join(lines) + "\n"
    return out


def flat(text):
    """A catalogue as `model.key` to value."""
    out = {}
    for name, fields in tomllib.loads(text).get("models", {}).items():
        for key, value in fields.items():
            if key in ("settle", "ceiling"):
                for row in value:
                    for kind, number in row.items():
                        if kind != "over":
                            out[name, f"{key} over {row['over']}: {kind}"] = number
            else:
                out[name, key] = value
    return out


def differences(old, new):
    """What a new catalogue changes, line by line, for people."""
    before, after = flat(old), flat(new)
    names = {name for name, _ in before}, {name for name, _ in after}
    for name in sorted(names[0] | names[1]):
        if name not in names[1]:
            yield f"- {name}"
        elif name not in names[0]:
            rates = ", ".join(f"{key.split(': ')[1]} {value}" for (of, key), value in after.items() if of == name and key.startswith("settle over 0"))
            yield f"+ {name}: {rates}"
        else:
            keys = sorted({key for of, key in before | after if of == name})
            for key in keys:
                was, will = before.get((name, key)), after.get((name, key))
                if was != will:
                    yield f"~ {name}: {key}: {was if was is not None else 'absent'} -> {will if will is not None else 'absent'}"


def main():
    """Writes the files, or says what would change."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--diff", action="store_true", help="print what would change and write nothing")
    options.add_argument("--check", action="store_true", help="fail when something would change")
    asked = options.parse_args()
    changed = 0
    for name, text in files().items():
        path = HERE / name
        old = path.read_text() if path.exists() else ""
        changed += old != text
        if asked.diff and old != text:
            print(f"{name}:")
            found = list(differences(old, text)) if name.endswith(".toml") else []
            print("\n".join(f"  {line}" for line in found) or "  (words only)")
        if not asked.diff and not asked.check:
            path.write_text(text)
            print(f"{name}: {text.count('[models.')} models" if name.endswith(".toml") else name)
    if asked.check and changed:
        sys.exit(f"{changed} files would change; run prices/build.py")


if __name__ == "__main__":
    main()
