"""The HTTP interfaces of two model vendors, as far as their own SDKs use them here: strict about what comes in, streaming or not."""

import json

PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
WORDS = ["Hello", " from", " the", " model"]
TEXT = "".join(WORDS)
# Models that answer busy once: the SDKs come again.
busy = set()


def answer(handler, path, body):
    vendor = AnthropicAPI if path == "/v1/messages" else OpenAIAPI
    api = vendor(handler)
    try:
        request = json.loads(body)
        model = request["model"]
        if path == "/v1/responses":
            assert isinstance(request["input"], (str, list))
        else:
            assert all(message["role"] in ("user", "system", "assistant") for message in request["messages"])
        assert handler.headers["content-type"] == "application/json"
    except (ValueError, KeyError, AssertionError):
        return api.fail(400, "invalid_request_error", "the request is malformed")
    if not api.is_authorized():
        return api.fail(401, "authentication_error", "the key is not right")
    if model == "none":
        return api.fail(404, "not_found_error", "there is no such model")
    if model == "busy" and path not in busy:
        busy.add(path)
        return api.fail(429, "rate_limit_error", "come again", retry_after="0")
    if request.get("stream"):
        return handler.stream("text/event-stream", (event.encode() for event in api.events(model)))
    return handler.json(200, api.response(path, model))


def event(data, name=None):
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


class OpenAIAPI:
    def __init__(self, handler):
        self.handler = handler

    def is_authorized(self):
        return self.handler.headers.get("authorization") == "Bearer " + self.handler.server.keys["openai"]

    def fail(self, status, kind, message, **fields):
        return self.handler.json(status, {"error": {"message": message, "type": kind, "param": None, "code": None}}, **fields)

    def response(self, path, model):
        if path == "/v1/responses":
            part = {"type": "output_text", "text": TEXT, "annotations": []}
            message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
            return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": model, "output": [message],
                    "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}

    def events(self, model):
        frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        for word in WORDS:
            yield event({**frame, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        yield event({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield "data: [DONE]\n\n"


class AnthropicAPI:
    def __init__(self, handler):
        self.handler = handler

    def is_authorized(self):
        headers, key = self.handler.headers, self.handler.server.keys["anthropic"]
        # The SDK's older versions name the key in a field of its own.
        is_known = headers.get("x-api-key") == key or headers.get("authorization") == "Bearer " + key
        return is_known and "anthropic-version" in headers

    def fail(self, status, kind, message, **fields):
        return self.handler.json(status, {"type": "error", "error": {"type": kind, "message": message}}, **fields)

    def message(self, model, content):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content, "stop_reason": None,
                "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 4}}

    def response(self, _path, model):
        return {**self.message(model, [{"type": "text", "text": TEXT}]), "stop_reason": "end_turn"}

    def events(self, model):
        def named(name, **data):
            return event({"type": name, **data}, name)
        yield named("message_start", message=self.message(model, []))
        yield named("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in WORDS:
            yield named("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        yield named("content_block_stop", index=0)
        yield named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4})
        yield named("message_stop")
