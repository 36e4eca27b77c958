"""OpenRouter's models in the shape of the merged list, which leaves them out: from genai-prices.

What is charged is OpenRouter's own figure in its usage report. These rates are for the ceiling, and
hold only for a request that does not let it route to a dearer provider than the one it lists.
"""

from decimal import Decimal

from sources import raw

KINDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
}


def number(value):
    """A decimal string; noise of binary floats behind the ninth decimal is rounded up."""
    text = format(Decimal(value).quantize(Decimal("0.000000001"), rounding="ROUND_UP"), "f")
    return text.rstrip("0").rstrip(".") or "0"


def rows(prices):
    """Rows by the length of prompt that they begin at; each has what those before it have."""
    steps = {0: {}}
    for key, kind in KINDS.items():
        value = prices.get(key)
        if isinstance(value, dict):
            steps[0][kind] = number(value["base"])
            for tier in value["tiers"]:
                steps.setdefault(int(tier["start"]), {})[kind] = number(tier["price"])
        elif value is not None:
            steps[0][kind] = number(value)
    out, known = [], {}
    for over in sorted(steps):
        known = known | steps[over]
        out.append({"over_prompt_tokens": over, "per_mtok": known})
    return out


def schedule(prices, today):
    """The rows of today and those of later days; None when a condition is not a day."""
    if not isinstance(prices, list):
        return rows(prices), []
    now, later = None, []
    for each in prices:
        condition = each.get("constraint") or {}
        if set(condition) - {"start_date"}:
            return None
        start = condition.get("start_date", "")
        if start <= today:
            now = rows(each["prices"])
        else:
            later += [{"start": start, **row} for row in rows(each["prices"])]
    return (now, later) if now else None


def ceiling(settle, later):
    """The dearest, never falling with length."""
    out, best = [], {}
    for over in sorted({row["over_prompt_tokens"] for row in settle + later}):
        for row in settle + later:
            if row["over_prompt_tokens"] == over:
                for kind, value in row["per_mtok"].items():
                    best[kind] = max(value, best.get(kind, "0"), key=Decimal)
        write = max(best.get("input", "0"), best.get("cache_write", "0"), key=Decimal)
        out.append(
            {
                "over_prompt_tokens": over,
                "input": best.get("input", "0"),
                "input_or_default_write": write,
                "input_any_retention": max(write, best.get("cache_write_1h", "0"), key=Decimal),
                "output": best.get("output", "0"),
            }
        )
    return out


def openrouter(today):
    """All of them."""
    lists = [provider for provider in raw("genai-prices-0.2.3.json.gz") if provider["id"] == "openrouter"]
    out = []
    for model in (model for each in lists for model in each["models"]):
        found = schedule(model["prices"], today) or ([], [])
        settle, later = found
        priced = bool(settle) and any(Decimal(settle[0]["per_mtok"].get(kind, 0)) for kind in ("input", "output"))
        out.append(
            {
                "provider": "openrouter",
                "id": model["id"],
                "mode": "chat",
                "limits": {"context": model["context_window"]} if model.get("context_window") else {},
                "status": "single" if priced else "zero",
                "sources": ["genai"],
                "settle": settle,
                "scheduled": later,
                "ceiling": ceiling(settle, []),
                "issues": [],
                "source_url": "https://openrouter.ai/models",
            }
        )
    return out
