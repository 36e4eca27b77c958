"""The official openai-python client, unchanged, against the gateway."""

import concurrent.futures
import json
import os
import sys
import urllib.request

import openai

PROVIDER = os.environ["HALTLINE_E2E_PROVIDER"]
RICH = openai.OpenAI(base_url=os.environ["HALTLINE_E2E_RICH_URL"], api_key=os.environ["HALTLINE_E2E_RICH_KEY"])
POOR = openai.OpenAI(base_url=os.environ["HALTLINE_E2E_POOR_URL"], api_key=os.environ["HALTLINE_E2E_POOR_KEY"])
ASK = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


def control(behaviour):
    request = urllib.request.Request(f"{PROVIDER}/__control", json.dumps(behaviour).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request).read()


def script(*first):
    """These behaviours first, then good answers."""
    control({"script": {"queue": {"first": list(first)}}})


def provider_calls():
    return json.load(urllib.request.urlopen(f"{PROVIDER}/__calls"))["chat"]


def metric(client, name):
    base = str(client.base_url).removesuffix("/v1/")
    text = urllib.request.urlopen(f"{base}/metrics").read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def test_whole_answer():
    answer = RICH.chat.completions.create(model="chat", messages=ASK)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens > 0


def test_cost_of_a_request_is_told():
    raw = RICH.chat.completions.with_raw_response.create(model="chat", messages=ASK)
    cost = raw.headers["x-haltline-cost"]
    request_id = raw.headers["x-request-id"]
    base = os.environ["HALTLINE_E2E_RICH_URL"]
    request = urllib.request.Request(f"{base}/generation?id={request_id}", headers={"authorization": "Bearer " + os.environ["HALTLINE_E2E_RICH_KEY"]})
    record = json.load(urllib.request.urlopen(request))["data"]
    assert record["total_cost"] == cost, (record, cost)


def test_stream():
    chunks = list(RICH.chat.completions.create(model="chat", messages=ASK, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "usage only for those who ask"


def test_stream_with_usage():
    chunks = list(RICH.chat.completions.create(model="chat", messages=ASK, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-1].choices == []


def test_tools():
    script({"kind": "answer", "shape": "tool_call"})
    answer = RICH.chat.completions.create(model="chat", messages=ASK, tools=[TOOL], tool_choice="auto")
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments), dict)
    again = RICH.chat.completions.create(
        model="chat",
        tools=[TOOL],
        messages=ASK + [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}],
    )
    assert again.choices[0].message.content


def test_models():
    assert "chat" in [model.id for model in RICH.models.list()]


def test_unknown_field_is_refused_by_name():
    try:
        RICH.chat.completions.create(model="chat", messages=ASK, extra_body={"x_new": 1})
    except openai.BadRequestError as error:
        assert error.code == "unknown_field" and "x_new" in str(error), error
    else:
        raise AssertionError("accepted")


def test_wrong_key():
    client = openai.OpenAI(base_url=RICH.base_url, api_key="hl-live-wrong")
    try:
        client.chat.completions.create(model="chat", messages=ASK)
    except openai.AuthenticationError as error:
        assert error.code == "key_invalid", error
    else:
        raise AssertionError("accepted")


def test_unknown_model():
    try:
        RICH.chat.completions.create(model="chta", messages=ASK)
    except openai.NotFoundError as error:
        assert error.code == "unknown_model" and "chat" in str(error), error
    else:
        raise AssertionError("accepted")


def test_provider_failure_is_retried_here_and_not_by_the_client():
    before = provider_calls()
    script(*[{"kind": "status", "status": 500}] * 4)
    try:
        RICH.chat.completions.create(model="chat", messages=[{"role": "user", "content": "fail please"}])
    except openai.InternalServerError as error:
        assert error.code == "upstream_failed", error
    else:
        raise AssertionError("answered")
    assert provider_calls() - before == 4, provider_calls() - before


def test_cut_stream_is_an_error():
    script({"kind": "answer", "ending": {"truncate": {"after": 3}}})
    try:
        list(RICH.chat.completions.create(model="chat", messages=[{"role": "user", "content": "cut"}], stream=True))
    except openai.APIError as error:
        assert error.code == "upstream_failed", error
    else:
        raise AssertionError("a cut stream ended cleanly")


def test_storm_against_a_used_up_budget_makes_one_request_per_call():
    before_provider, before = provider_calls(), metric(POOR, "haltline_requests_total")

    def call(_):
        try:
            POOR.chat.completions.create(model="chat", messages=ASK)
        except openai.APIStatusError as error:
            return error.status_code, error.type
        return 200, None

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, range(100)))
    assert set(answers) == {(402, "insufficient_quota")}, set(answers)
    assert provider_calls() == before_provider
    assert metric(POOR, "haltline_requests_total") - before == 100


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        script()
        try:
            test()
            print(f"test python::{name} ... ok")
        except Exception as error:  # every failure is shown, none stops the others
            failed += 1
            print(f"test python::{name} ... FAILED: {type(error).__name__}: {error}")
    print(f"test result: {'ok' if not failed else 'FAILED'}. {len(tests) - failed} passed; {failed} failed; 0 ignored")
    sys.exit(1 if failed else 0)


main()
