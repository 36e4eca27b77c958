"""Every error code times the vendors' Python clients: attempts counted at the server, and our
sentence in the user's sight."""

import concurrent.futures
import json
import os
import pathlib
import re
import urllib.request

import anthropic
import openai
from google import genai
from google.genai import types

BASE = os.environ["HALTLINE_E2E_PROBLEMS"]
TABLE = (pathlib.Path(__file__).parents[2] / "docs/reference/errors.md").read_text(encoding="utf-8")
CODES = [(code, retry == "true") for code, retry in re.findall(r"^\| \[(\w+)\].*\| (true|false) \|$", TABLE, re.M)]
HELLO = [{"role": "user", "content": "hi"}]


def chat(url):
    openai.OpenAI(base_url=f"{url}/v1", api_key="k").chat.completions.create(model="m", messages=HELLO)


def responses(url):
    openai.OpenAI(base_url=f"{url}/v1", api_key="k").responses.create(model="m", input="hi")


def messages(url):
    anthropic.Anthropic(base_url=url, api_key="k").messages.create(model="m", max_tokens=9, messages=HELLO)


def generate(url):
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
    client.models.generate_content(model="m", contents="hi")


def shown(ask, url):
    try:
        ask(url)
        return "no error"
    except Exception as error:  # noqa: BLE001 - what the user reads is what is tested
        return str(error)


def main():
    assert len(CODES) >= 29, CODES
    failed = 0
    for ask, retries in ((chat, 3), (responses, 3), (messages, 3), (generate, 1)):
        name = f"python-{ask.__name__}"
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            texts = list(pool.map(lambda row, ask=ask, name=name: shown(ask, f"{BASE}/{name}/{row[0]}"), CODES))
        counts = json.load(urllib.request.urlopen(f"{BASE}/counts"))
        wrong = []
        for (code, retry), text in zip(CODES, texts):
            attempts, expected = counts[f"{name}/{code}"], retries if retry else 1
            if attempts != expected:
                wrong.append(f"{code}: {attempts} attempts, not {expected}")
            if f"Haltline says {code}" not in text:
                wrong.append(f"{code}: the user reads {text!r}")
        failed += bool(wrong)
        print(f"test attempts::{name}: {len(CODES)} codes ... " + (f"FAILED: {wrong}" if wrong else "ok"), flush=True)
    raise SystemExit(1 if failed else 0)


main()
