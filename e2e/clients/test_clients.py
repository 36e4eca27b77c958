"""The vendors' Python clients and LangChain, unchanged, against every provider dialect."""

import json
import os
import traceback
import urllib.request

import anthropic
import openai
from google import genai
from google.genai import types
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from mistralai.client import Mistral
from pydantic import BaseModel

URL, KEY, POOR = os.environ["HALTLINE_E2E_URL"], os.environ["HALTLINE_E2E_KEY"], os.environ["HALTLINE_E2E_POOR_KEY"]
FAKES = os.environ["HALTLINE_E2E_FAKES"]
MODELS = ["openai/gpt", "anthropic/claude", "google/gemini", "mistral/mistral", "azure/gpt", "compatible/llama"]
HELLO = "Hello! You said: good day"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Answer(BaseModel):
    answer: int


def calls():
    return json.load(urllib.request.urlopen(f"{FAKES}/calls"))["calls"]


def forget():
    urllib.request.urlopen(urllib.request.Request(f"{FAKES}/calls", method="DELETE")).read()


OPENAI = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY)
ANTHROPIC = anthropic.Anthropic(base_url=URL, api_key=KEY)
GOOGLE = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))
MISTRAL = Mistral(server_url=URL, api_key=KEY)


def openai_chat(model):
    answer = OPENAI.chat.completions.create(model=model, messages=[{"role": "user", "content": "good day"}])
    assert answer.choices[0].message.content == HELLO, answer
    with OPENAI.chat.completions.stream(model=model, messages=[{"role": "user", "content": "good day"}]) as stream:
        assert stream.get_final_completion().choices[0].message.content == HELLO
    parsed = OPENAI.chat.completions.parse(model=model, messages=[{"role": "user", "content": "6 times 7"}], response_format=Answer)
    assert parsed.choices[0].message.parsed == Answer(answer=42)


def openai_responses(model):
    answer = OPENAI.responses.create(model=model, input="good day")
    assert answer.output_text == HELLO, answer
    with OPENAI.responses.stream(model=model, input="good day") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == HELLO
    parsed = OPENAI.responses.parse(model=model, input="6 times 7", text_format=Answer)
    assert parsed.output_parsed == Answer(answer=42)


def anthropic_messages(model):
    ask = {"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": "good day"}]}
    assert ANTHROPIC.messages.create(**ask).content[0].text == HELLO
    with ANTHROPIC.messages.stream(**ask) as stream:
        assert stream.get_final_message().content[0].text == HELLO
    tools = [{"name": "weather", "description": "Weather of a city", "input_schema": CITY}]
    first = ANTHROPIC.messages.create(**{**ask, "messages": [{"role": "user", "content": "weather"}]}, tools=tools)
    assert first.stop_reason == "tool_use" and first.content[-1].input == {"city": "Paris"}, first


def google_generate(model):
    assert GOOGLE.models.generate_content(model=model, contents="good day").text == HELLO
    assert "".join(chunk.text or "" for chunk in GOOGLE.models.generate_content_stream(model=model, contents="good day")) == HELLO
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Answer)
    assert GOOGLE.models.generate_content(model=model, contents="6 times 7", config=config).parsed == Answer(answer=42)


def mistral_chat(model):
    ask = {"model": model, "messages": [{"role": "user", "content": "good day"}]}
    assert MISTRAL.chat.complete(**ask).choices[0].message.content == HELLO
    text = "".join(event.data.choices[0].delta.content or "" for event in MISTRAL.chat.stream(**ask) if event.data.choices)
    assert text == HELLO, text


def langchain(model):
    for chat in (
        ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=KEY),
        ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=KEY, use_responses_api=True),
        ChatAnthropic(model=model, base_url=URL, api_key=KEY),
    ):
        answer = chat.invoke("good day")
        assert answer.text == HELLO, answer
        assert answer.usage_metadata["total_tokens"] > 0
        assert "".join(chunk.text for chunk in chat.stream("good day")) == HELLO
        tools = [{"name": "weather", "description": "Weather of a city", "parameters": CITY}]
        asked = chat.bind_tools(tools).invoke("weather").tool_calls
        assert asked[0]["args"] == {"city": "Paris"}, asked


def budgets():
    google = genai.Client(api_key=POOR, http_options=types.HttpOptions(base_url=URL))
    for ask, kind in (
        (lambda: openai.OpenAI(base_url=f"{URL}/v1", api_key=POOR).chat.completions.create(model="openai/gpt", messages=[{"role": "user", "content": "hi"}]), openai.APIStatusError),
        (lambda: openai.OpenAI(base_url=f"{URL}/v1", api_key=POOR).responses.create(model="openai/gpt", input="hi"), openai.APIStatusError),
        (lambda: anthropic.Anthropic(base_url=URL, api_key=POOR).messages.create(model="anthropic/claude", max_tokens=100, messages=[{"role": "user", "content": "hi"}]), anthropic.APIStatusError),
        (lambda: google.models.generate_content(model="google/gemini", contents="hi"), genai.errors.APIError),
    ):
        try:
            ask()
            raise AssertionError("no budget refused it")
        except kind as error:
            assert getattr(error, "status_code", getattr(error, "code", None)) == 402, error
            assert "udget" in str(error), error
    assert calls() == []


def main():
    tests = [(f"{test.__name__} {model}", lambda test=test, model=model: test(model)) for test in (openai_chat, openai_responses, anthropic_messages, google_generate, mistral_chat, langchain) for model in MODELS]
    failed = 0
    for name, test in [*tests, ("budgets are said once", budgets)]:
        forget()
        try:
            test()
            print(f"test python::{name} ... ok", flush=True)
        except Exception:  # noqa: BLE001 - every failure is reported
            failed += 1
            print(f"test python::{name} ... FAILED: {traceback.format_exc()}", flush=True)
            for call in calls()[-2:]:
                print("  asked: " + json.dumps(call)[:1500])
    raise SystemExit(1 if failed else 0)


main()
