"""Fakes of the providers, each strict about its own dialect: a request that the real one would
refuse is refused. Written apart from the gateway, from the vendors' documentation, so that the two
cannot agree on the same mistake. Standard library only; loopback only.

    provider.py PORT_FILE          # serves until it is ended; writes its port to the file

Below /openai/v1, /anthropic/v1, /google/v1beta, /mistral/v1, /azure/openai/v1, /compatible/v1 and
/<name>/v1 for the many compatible ones. What is answered follows from the request: tools are called,
results are repeated, schemas are obeyed. A model's name can order a failure: fail-<status>,
overload-inside, cut, hang. GET /calls tells what was asked; DELETE /calls forgets it.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLS = []
LOCK = threading.Lock()
KEYS = {"openai": "sk-openai", "anthropic": "sk-ant", "google": "goog-key", "mistral": "mistral-key", "azure": "azure-key"}


class Refused(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


def need(condition, message, status=400, kind="invalid_request_error"):
    if not condition:
        raise Refused(status, kind, message)


class Say:
    """What is answered: made once, told in each dialect."""

    def __init__(self, prompt, tools, results, schema, think, cap, parallel):
        self.reasoning = "Let me think." if think else ""
        self.calls, self.finish = [], "stop"
        self.text = ""
        if tools and not results:
            count = 2 if parallel else 1
            self.calls = [{"id": f"call{n}abcde", "name": tools[0][0], "arguments": json.dumps(arguments(tools[0][1], n))} for n in range(count)]
            self.finish = "tool"
        elif schema:
            self.text = json.dumps({"answer": 42})
        elif results:
            self.text = "The tool says " + " and ".join(results) + "."
        else:
            self.text = "Hello! You said: " + prompt[-60:]
        words = self.text.split(" ")
        if cap is not None and len(words) > cap:
            self.text, self.finish = " ".join(words[:cap]), "length"
        self.output = max(1, len(self.text.split(" ")) + 4 * len(self.calls) + (3 if think else 0))
        self.input = max(1, len(prompt) // 4 + 10)
        self.pieces = [word if n == 0 else " " + word for n, word in enumerate(self.text.split(" "))] if self.text else []


def arguments(schema, number):
    """Arguments that a schema of these tests allows."""
    wanted = (schema or {}).get("properties") or {}
    if "cmd" in wanted:
        return {"cmd": "true"}
    return {"answer": 42} if "answer" in wanted else {"city": ["Paris", "Rome"][number]}


def text_of(content):
    if isinstance(content, str):
        return content
    out = []
    for part in content or []:
        if isinstance(part, str):
            out.append(part)
        elif part.get("type") in ("text", "input_text", "output_text"):
            out.append(part["text"])
    return " ".join(out)


# OpenAI Chat Completions, and those that imitate it.


def chat(provider, body):
    need(isinstance(body.get("messages"), list) and body["messages"], "messages: a list that is not empty")
    caps = [name for name in ("max_tokens", "max_completion_tokens") if name in body]
    need(len(caps) == 1, f"exactly one output cap, not {caps}")
    wanted = "max_completion_tokens" if provider in ("openai", "azure", "groq", "xai") else "max_tokens"
    need(caps == [wanted], f"{provider} obeys {wanted}, not {caps}")
    need(isinstance(body[wanted], int) and body[wanted] > 0, f"{wanted}: a whole number above zero")
    if provider == "mistral":
        unknown = {"stream_options", "logit_bias", "user", "seed", "max_completion_tokens", "service_tier"} & set(body)
        need(not unknown, f"extra fields: {sorted(unknown)}", 422)
    results, called, prompt = [], set(), ""
    for message in body["messages"]:
        role = message["role"]
        need(role in ("system", "developer", "user", "assistant", "tool"), f"role {role}")
        if role == "assistant":
            for call in message.get("tool_calls") or []:
                need(call["type"] == "function" and isinstance(call["function"]["arguments"], str), "tool_calls: arguments as a string")
                called.add(call["id"])
        elif role == "tool":
            need(message["tool_call_id"] in called, f"tool_call_id {message['tool_call_id']} answers no call")
            results.append(text_of(message["content"]))
        elif role == "user":
            prompt, results = text_of(message["content"]), []
    tools = []
    for tool in body.get("tools") or []:
        need(tool["type"] == "function" and tool["function"]["name"], "tools: functions with names")
        tools.append((tool["function"]["name"], tool["function"].get("parameters")))
    schema = (body.get("response_format") or {}).get("type") in ("json_schema", "json_object")
    if schema and body["response_format"]["type"] == "json_schema":
        need(body["response_format"]["json_schema"]["name"], "response_format.json_schema.name")
    say = Say(prompt, [] if body.get("tool_choice") == "none" else tools, results, schema, bool(body.get("reasoning_effort")), body[wanted], "both" in prompt)
    finish = {"stop": "stop", "tool": "tool_calls", "length": "length"}[say.finish]
    usage = {"prompt_tokens": say.input, "completion_tokens": say.output, "total_tokens": say.input + say.output,
             "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3 if say.reasoning else 0}}
    calls = [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}} for c in say.calls]
    base = {"id": "chatcmpl-1", "created": int(time.time()), "model": body["model"]}
    if not body.get("stream"):
        message = {"role": "assistant", "content": say.text or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        if say.reasoning:
            message["reasoning_content"] = say.reasoning
        return dict(base, object="chat.completion", choices=[{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}], usage=usage)

    def events():
        chunk = lambda delta, reason=None: dict(base, object="chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": reason}])
        if provider == "azure":
            yield None, dict(base, object="", model="", choices=[], prompt_filter_results=[])
        yield None, chunk({"role": "assistant", "content": ""})
        if say.reasoning:
            yield None, chunk({"reasoning_content": say.reasoning})
        for piece in say.pieces:
            yield None, chunk({"content": piece})
        for n, call in enumerate(calls):
            yield None, chunk({"tool_calls": [{"index": n, "id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}}]})
            half = len(call["function"]["arguments"]) // 2
            for part in (call["function"]["arguments"][:half], call["function"]["arguments"][half:]):
                yield None, chunk({"tool_calls": [{"index": n, "function": {"arguments": part}}]})
        last = chunk({}, finish)
        if provider == "mistral":
            last["usage"] = usage
        yield None, last
        if provider != "mistral" and (body.get("stream_options") or {}).get("include_usage"):
            yield None, dict(base, object="chat.completion.chunk", choices=[], usage=usage)
        yield None, "[DONE]"

    return events()


# OpenAI Responses.


def responses(provider, body):
    need("input" in body, "input is required")
    need(isinstance(body.get("max_output_tokens"), int), "max_output_tokens: the cap is missing")
    need(body.get("store") is False, "store must be false here")
    results, called, prompt = [], set(), ""
    items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    for item in items:
        kind = item.get("type", "message")
        if kind == "message" and item["role"] == "user":
            prompt, results = text_of(item["content"]), []
        elif kind == "function_call":
            need(isinstance(item["arguments"], str), "function_call.arguments: a string")
            called.add(item["call_id"])
        elif kind == "function_call_output":
            need(item["call_id"] in called, f"No tool call found for {item['call_id']}")
            results.append(text_of(item["output"]))
    tools = [(tool["name"], tool.get("parameters")) for tool in body.get("tools") or [] if tool["type"] in ("function", "custom")]
    schema = ((body.get("text") or {}).get("format") or {}).get("type") in ("json_schema", "json_object")
    say = Say(prompt, [] if body.get("tool_choice") == "none" else tools, results, schema, bool(body.get("reasoning")), body["max_output_tokens"], "both" in prompt)
    usage = {"input_tokens": say.input, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": say.output,
             "output_tokens_details": {"reasoning_tokens": 3 if say.reasoning else 0}, "total_tokens": say.input + say.output}
    output = []
    if say.reasoning:
        output.append({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": say.reasoning}]})
    if say.text:
        output.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                       "content": [{"type": "output_text", "text": say.text, "annotations": []}]})
    for n, call in enumerate(say.calls):
        output.append({"id": f"fc_{n}", "type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": call["arguments"], "status": "completed"})
    cut = say.finish == "length"
    whole = {"id": "resp_1", "object": "response", "created_at": int(time.time()), "status": "incomplete" if cut else "completed", "error": None,
             "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "instructions": None, "metadata": {}, "model": body["model"],
             "output": output, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": body.get("tools") or [], "top_p": 1.0, "usage": usage}
    if not body.get("stream"):
        return whole

    def events():
        number = iter(range(10_000))
        event = lambda kind, **fields: (kind, dict({"type": kind, "sequence_number": next(number)}, **fields))
        begun = dict(whole, status="in_progress", output=[], usage=None, incomplete_details=None)
        yield event("response.created", response=begun)
        yield event("response.in_progress", response=begun)
        for place, item in enumerate(output):
            at = {"output_index": place, "item_id": item["id"]}
            if item["type"] == "message":
                yield event("response.output_item.added", output_index=place, item=dict(item, status="in_progress", content=[]))
                yield event("response.content_part.added", content_index=0, part={"type": "output_text", "text": "", "annotations": []}, **at)
                for piece in say.pieces:
                    yield event("response.output_text.delta", content_index=0, delta=piece, logprobs=[], **at)
                yield event("response.output_text.done", content_index=0, text=say.text, logprobs=[], **at)
                yield event("response.content_part.done", content_index=0, part=item["content"][0], **at)
            elif item["type"] == "reasoning":
                yield event("response.output_item.added", output_index=place, item=dict(item, summary=[]))
                yield event("response.reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}, **at)
                yield event("response.reasoning_summary_text.delta", summary_index=0, delta=say.reasoning, **at)
                yield event("response.reasoning_summary_text.done", summary_index=0, text=say.reasoning, **at)
                yield event("response.reasoning_summary_part.done", summary_index=0, part=item["summary"][0], **at)
            else:
                yield event("response.output_item.added", output_index=place, item=dict(item, arguments="", status="in_progress"))
                yield event("response.function_call_arguments.delta", delta=item["arguments"], **at)
                yield event("response.function_call_arguments.done", arguments=item["arguments"], name=item["name"], **at)
            yield event("response.output_item.done", output_index=place, item=item)
        yield event("response.incomplete" if cut else "response.completed", response=whole)

    return events()


# Anthropic Messages.


def messages(provider, body):
    need(isinstance(body.get("max_tokens"), int), "max_tokens: Field required")
    need(body.get("messages"), "messages: at least one message is required")
    need(body["messages"][0]["role"] == "user", "messages: first message must use the \"user\" role")
    results, called, prompt, before = [], set(), "", None
    for message in body["messages"]:
        # The newest models take the operator's words in the middle of a conversation.
        need(message["role"] in ("user", "assistant", "system"), f"messages: role {message['role']}")
        content = message["content"] if isinstance(message["content"], list) else [{"type": "text", "text": message["content"]}]
        need(content, "messages: content must not be empty")
        if message["role"] == "system":
            continue
        if message["role"] == "user":
            results = []
            for block in content:
                if block["type"] == "tool_result":
                    need(block["tool_use_id"] in called, f"unexpected tool_use_id {block['tool_use_id']}")
                    results.append(text_of(block.get("content", "")))
                elif block["type"] == "text":
                    need(block["text"].strip(), "text content blocks must be non-empty")
                    prompt = block["text"]
        else:
            for block in content:
                if block["type"] == "tool_use":
                    need(isinstance(block["input"], dict), "tool_use.input: an object")
                    called.add(block["id"])
                elif block["type"] == "thinking":
                    need(block.get("signature"), "thinking.signature: Field required")
        before = message["role"]
    tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools") or []]
    for tool in body.get("tools") or []:
        need(isinstance(tool.get("input_schema"), dict) and tool["input_schema"].get("type") == "object", "tools.input_schema.type: must be object")
    thinking = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    if (body.get("thinking") or {}).get("type") == "enabled":
        need(1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"], "thinking.budget_tokens: at least 1024 and below max_tokens")
    schema = bool((body.get("output_config") or {}).get("format"))
    none = (body.get("tool_choice") or {}).get("type") == "none"
    say = Say(prompt, [] if none else tools, results, schema, thinking, body["max_tokens"], "both" in prompt)
    blocks = []
    if say.reasoning:
        blocks.append({"type": "thinking", "thinking": say.reasoning, "signature": "c2lnbmVk"})
    if say.text:
        blocks.append({"type": "text", "text": say.text})
    for call in say.calls:
        blocks.append({"type": "tool_use", "id": "toolu_" + call["id"], "name": call["name"], "input": json.loads(call["arguments"])})
    reason = {"stop": "end_turn", "tool": "tool_use", "length": "max_tokens"}[say.finish]
    usage = {"input_tokens": say.input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": say.output}
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": blocks, "stop_reason": reason, "stop_sequence": None, "usage": usage}
    if not body.get("stream"):
        return whole

    def events():
        event = lambda kind, **fields: (kind, dict({"type": kind}, **fields))
        yield event("message_start", message=dict(whole, content=[], stop_reason=None, usage=dict(usage, output_tokens=1)))
        yield event("ping")
        for index, block in enumerate(blocks):
            if block["type"] == "text":
                yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
                for piece in say.pieces:
                    yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
            elif block["type"] == "thinking":
                yield event("content_block_start", index=index, content_block={"type": "thinking", "thinking": "", "signature": ""})
                yield event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": say.reasoning})
                yield event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": block["signature"]})
            else:
                yield event("content_block_start", index=index, content_block=dict(block, input={}))
                text = json.dumps(block["input"])
                for part in ("", text[: len(text) // 2], text[len(text) // 2 :]):
                    yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": part})
            yield event("content_block_stop", index=index)
        yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": say.output})
        yield event("message_stop")

    return events()


# Google's generateContent.


def generate(provider, body, model, stream):
    need(isinstance(body.get("contents"), list) and body["contents"], "contents is not specified", kind="INVALID_ARGUMENT")
    config = body.get("generationConfig") or {}
    need(isinstance(config.get("maxOutputTokens"), int), "generationConfig.maxOutputTokens: the cap is missing", kind="INVALID_ARGUMENT")
    need(not set(body) - {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "labels"}, f"Unknown name: {sorted(body)}", kind="INVALID_ARGUMENT")
    results, called, prompt = [], 0, ""
    for content in body["contents"]:
        need(content.get("role", "user") in ("user", "model"), "Please use a valid role: user, model.", kind="INVALID_ARGUMENT")
        for part in content["parts"]:
            if "functionCall" in part:
                need(isinstance(part["functionCall"].get("args", {}), dict), "functionCall.args: an object", kind="INVALID_ARGUMENT")
                called += 1
            elif "functionResponse" in part:
                need(isinstance(part["functionResponse"]["response"], dict), "functionResponse.response: an object", kind="INVALID_ARGUMENT")
                need(part["functionResponse"]["name"] and called, "functionResponse answers no call", kind="INVALID_ARGUMENT")
                results.append(" ".join(str(value) for value in part["functionResponse"]["response"].values()))
            elif "text" in part and content.get("role", "user") == "user":
                prompt, results = part["text"], []
    tools = [(function["name"], function.get("parametersJsonSchema") or function.get("parameters")) for tool in body.get("tools") or [] for function in tool.get("functionDeclarations", [])]
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    schema = config.get("responseMimeType") == "application/json"
    think = bool((config.get("thinkingConfig") or {}).get("includeThoughts"))
    say = Say(prompt, [] if mode == "NONE" else tools, results, schema, think, config["maxOutputTokens"], "both" in prompt)
    thoughts = 3 if think else 0
    usage = {"promptTokenCount": say.input, "candidatesTokenCount": say.output - thoughts, "totalTokenCount": say.input + say.output}
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    reason = {"stop": "STOP", "tool": "STOP", "length": "MAX_TOKENS"}[say.finish]
    calls = [{"functionCall": {"name": c["name"], "args": json.loads(c["arguments"])}, "thoughtSignature": "c2ln"} for c in say.calls]
    base = {"modelVersion": model, "responseId": "gem-1"}
    candidate = lambda parts, finish=None: dict({"content": {"role": "model", "parts": parts}, "index": 0}, **({"finishReason": finish} if finish else {}))
    thought = [{"text": say.reasoning, "thought": True}] if think else []
    if not stream:
        parts = thought + ([{"text": say.text}] if say.text else []) + calls
        return dict(base, candidates=[candidate(parts, reason)], usageMetadata=usage)

    def events():
        early = {"promptTokenCount": say.input, "totalTokenCount": say.input}
        if thought:
            yield None, dict(base, candidates=[candidate(thought)], usageMetadata=early)
        for piece in say.pieces:
            yield None, dict(base, candidates=[candidate([{"text": piece}])], usageMetadata=early)
        if calls:
            yield None, dict(base, candidates=[candidate(calls)], usageMetadata=early)
        yield None, dict(base, candidates=[candidate([{"text": ""}], reason)], usageMetadata=usage)

    return events()


def embeddings(provider, body):
    need("input" in body, "input is required")
    inputs = body["input"] if isinstance(body["input"], list) and not isinstance(body["input"][0], int) else [body["input"]]
    vector = [0.25, -0.5, 1.0]
    if body.get("encoding_format") == "base64":
        import base64
        import struct

        vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
    tokens = sum(max(1, len(str(text)) // 4) for text in inputs)
    return {"object": "list", "data": [{"object": "embedding", "index": n, "embedding": vector} for n in range(len(inputs))],
            "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        with LOCK:
            self.reply(200, {"calls": CALLS})

    def do_DELETE(self):
        with LOCK:
            CALLS.clear()
        self.reply(200, {})

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        provider = path.split("/")[1]
        try:
            body = json.loads(data)
            model = body.get("model") or path.rsplit("/", 1)[-1].rsplit(":", 1)[0]
            with LOCK:
                CALLS.append({"provider": provider, "path": self.path, "model": model, "body": body, "headers": {k.lower(): v for k, v in self.headers.items()}})
            self.authorize(provider)
            if "fail-" in model:
                status = int(model.split("fail-")[1][:3])
                raise Refused(status, {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error"), f"made to fail with {status}")
            if path.endswith("/chat/completions"):
                answer = chat(provider, body)
            elif path.endswith("/responses"):
                answer = responses(provider, body)
            elif path.endswith("/embeddings"):
                answer = embeddings(provider, body)
            elif path.endswith("/messages"):
                need(self.headers.get("anthropic-version"), "anthropic-version: header is required")
                answer = messages(provider, body)
            elif path.endswith("/messages/count_tokens"):
                answer = {"input_tokens": max(1, len(data) // 4)}
            elif path.endswith(":generateContent"):
                answer = generate(provider, body, model, False)
            elif path.endswith(":streamGenerateContent"):
                need("alt=sse" in query, "the fake streams events only")
                answer = generate(provider, body, model, True)
            else:
                raise Refused(404, "not_found_error", f"nothing at {path}")
        except Refused as refused:
            return self.reply(refused.status, self.error(provider, refused))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            return self.reply(400, self.error(provider, Refused(400, "invalid_request_error", f"not understood: {error!r}")))
        if isinstance(answer, dict):
            return self.reply(200, answer)
        self.stream(provider, model, answer)

    def authorize(self, provider):
        key = KEYS.get(provider)
        header = {"anthropic": "x-api-key", "google": "x-goog-api-key", "azure": "api-key"}.get(provider, "authorization")
        given = self.headers.get(header, "")
        if key:
            need(given in (key, f"Bearer {key}"), f"wrong key in {header}", 401, "authentication_error")
        for name in ("x-api-key", "x-goog-api-key", "api-key", "authorization"):
            need("hl-" not in self.headers.get(name, ""), "the client's own key went through", 400)

    def error(self, provider, refused):
        if provider == "anthropic":
            return {"type": "error", "error": {"type": refused.kind, "message": refused.message}, "request_id": "req_1"}
        if provider == "google":
            status = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}.get(refused.status, "INVALID_ARGUMENT")
            return {"error": {"code": refused.status, "message": refused.message, "status": status}}
        return {"error": {"message": refused.message, "type": refused.kind, "param": None, "code": None}}

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status in (429, 503, 529):
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(data)

    def stream(self, provider, model, events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        end = "\r\n" if provider == "google" else "\n"
        sent = 0
        for name, data in events:
            frame = (f"event: {name}{end}" if name else "") + f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}{end}{end}"
            self.chunk(frame.encode())
            sent += 1
            if "cut" in model and sent == 4:
                self.close_connection = True
                self.connection.close()
                return
            if "overload-inside" in model and sent == 4:
                kind = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
                self.chunk(f"event: error{end}data: {json.dumps(kind)}{end}{end}".encode())
                break
        self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
