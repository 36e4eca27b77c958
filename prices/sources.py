"""Where the lists are that the catalogue is built from, and what they are called."""

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("HALTLINE_SHARED", HERE.parent.parent / "shared"))
NAMES = {"genai": "genai-prices", "litellm": "litellm", "modelsdev": "models.dev"}


def listed():
    """The merged list of eleven providers."""
    return json.loads((SHARED / "data/prices/prices.json").read_text())


def raw(name):
    """One of the lists that were merged; numbers are exact decimals."""
    with gzip.open(SHARED / "data/prices/raw" / name, "rt") as file:
        return json.load(file, parse_float=Decimal)
