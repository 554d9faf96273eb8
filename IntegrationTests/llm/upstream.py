"""A provider of models for tests: it checks every byte of what comes in, and the name of the model says what comes back.

Usage: upstream.py FOLDER ADDRESS KEYS   (KEYS is a JSON object: what has to stand in `authorization` and in `x-api-key`, and in
`authorization` of requests that come by way of LiteLLM, which adds fields of its own: `relay`)
FOLDER gets port.json; received.jsonl with each request, what was wrong with it, and how the answer to it ended; and holds the gates.

Models (a TAG behind the last dash keeps the counters of tests apart):
  words             an answer, or a stream of five words; a call of the first tool when there are tools
  busy-CODE-N-TAG   N times CODE with retry-after, then as words
  refused           400
  reset             two words of a stream, then the connection is reset; early-reset: before the answer
  stall             two words, then nothing; silent: no answer at all
  endless           words without an end; flood: as fast as they go
  malformed         events that are no JSON, and lines that are no events, between good ones
  wrong-usage       usage that cannot be
  gate-TAG          as words, once FOLDER/gate-TAG is there
"""

import base64
import json
import os
import re
import select
import socket
import struct
import sys
import threading
import time
from pathlib import Path

FOLDER, ADDRESS, KEYS = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
LOCK = threading.Lock()
WORDS = ["Hello", " from", " the", " strict", " model"]
TEXT = "".join(WORDS)
# Whatever says who the client is, or in which program it runs, is nobody's business here.
FIELDS = {"host", "accept", "accept-encoding", "accept-language", "content-type", "content-length", "user-agent", "authorization",
          "x-api-key", "anthropic-version", "anthropic-beta", "idempotency-key", "openai-beta"}
busy = {}
numbers = iter(range(1, 1 << 30))


class Left(Exception):
    """The client closed the connection."""


def note(entry):
    with LOCK, open(FOLDER / "received.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a member stands twice")
    return dict(pairs)


class Request:
    """One request as it came, and what is wrong with it."""

    def __init__(self, reader):
        line = reader.readline()
        if not line:
            raise Left
        self.faults = []
        self.method, self.target, version = line.decode("ascii").rstrip("\r\n").split(" ")
        self.expect(line.endswith(b"\r\n") and version == "HTTP/1.1", f"request line {line!r}")
        self.fields = []
        while (line := reader.readline()) != b"\r\n":
            if not line:
                raise Left
            self.expect(re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\x20-\x7e]*\r\n", line), f"field {line!r}")
            name, _, value = line.decode("latin-1").partition(":")
            self.fields.append((name.lower(), value.strip()))
        names = [name for name, _ in self.fields]
        self.is_relayed = self.field("authorization") == KEYS["relay"]
        for name in sorted(set(names)):
            self.expect(self.is_relayed or name in FIELDS, f"field {name}")
            self.expect(names.count(name) == 1, f"field {name} twice")
        self.body = b""
        if self.method == "POST":
            self.expect("content-length" in names, "no content-length")
            length = int(self.field("content-length") or 0)
            self.body = reader.read(length)
            if len(self.body) < length:
                raise Left
        self.json = {}
        self.check()

    def expect(self, condition, fault):
        if not condition:
            self.faults.append(fault)

    def field(self, name):
        return next((value for other, value in self.fields if other == name), None)

    def check(self):
        everything = " ".join(value for _, value in self.fields) + self.body.decode(errors="replace")
        self.expect(self.is_relayed or self.field("accept-encoding") == "identity", "accept-encoding")
        for word in ("TOKEN_", "palana", "PALANA"):
            self.expect(word not in everything, f"‘{word}’ in it")
        is_messages = self.target.startswith("/v1/messages")
        self.expect(self.is_relayed or self.field("authorization") == (None if is_messages else KEYS["authorization"]), "authorization")
        self.expect(self.field("x-api-key") == (KEYS["x-api-key"] if is_messages else None), "x-api-key")
        if is_messages:
            self.expect(self.field("anthropic-version") is not None, "no anthropic-version")
        if self.method != "POST":
            return self.expect(self.target in ("/v1/models",), "target")
        self.expect(self.target.split("?")[0] in PATHS, "target")
        self.expect(self.field("content-type") == "application/json", "content-type")
        try:
            self.json = json.loads(self.body, object_pairs_hook=unique)
        except ValueError as error:
            return self.expect(False, str(error))
        self.expect(isinstance(self.json.get("model"), str), "model")
        if self.target == "/v1/chat/completions":
            messages = self.json.get("messages")
            self.expect(isinstance(messages, list) and messages and all(
                m.get("role") in ("system", "developer", "user", "assistant", "tool") for m in messages), "messages")
            self.expect(self.is_relayed or "max_completion_tokens" in self.json or "max_tokens" in self.json, "no bound of the answer")
            if self.json.get("stream"):
                self.expect((self.json.get("stream_options") or {}).get("include_usage") is True, "usage is not asked for")
        elif self.target == "/v1/messages":
            self.expect(isinstance(self.json.get("max_tokens"), int), "max_tokens")
            self.expect(all(m.get("role") in ("user", "assistant") for m in self.json.get("messages", [])), "messages")
        return None


class Chat:
    """OpenAI's chat completions."""

    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

    def __init__(self, request):
        self.model = request.json["model"]
        self.messages = request.json["messages"]
        self.tool = (request.json.get("tools") or [None])[0]
        self.frame = {"id": "chatcmpl-1", "created": 1, "model": self.model}

    def result(self):
        """What a tool gave, if this is the turn after it."""
        last = self.messages[-1]
        return last["content"] if last["role"] == "tool" else None

    def calls(self, **more):
        function = {"name": self.tool["function"]["name"], "arguments": '{"city": "Bern"}'}
        return [{"id": "call_1", "type": "function", "function": function, **more}]

    def whole(self, usage=None):
        message, reason = {"role": "assistant", "content": self.result() or TEXT}, "stop"
        if self.tool and self.result() is None:
            message, reason = {"role": "assistant", "content": None, "tool_calls": self.calls()}, "tool_calls"
        return {**self.frame, "object": "chat.completion", "usage": usage or self.usage,
                "choices": [{"index": 0, "finish_reason": reason, "message": message}]}

    def chunk(self, delta, reason=None):
        return event({**self.frame, "object": "chat.completion.chunk",
                      "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def word(self, text):
        return self.chunk({"content": text})

    def start(self):
        return [self.chunk({"role": "assistant", "content": ""})]

    def stop(self, usage=None):
        last = event({**self.frame, "object": "chat.completion.chunk", "choices": [], "usage": usage or self.usage})
        return [self.chunk({}, "stop"), last, b"data: [DONE]\n\n"]

    def events(self):
        if self.tool and self.result() is None:
            arguments = ['{"city":', ' "Bern"}']
            yield self.chunk({"role": "assistant", "tool_calls": self.calls(index=0) and [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": self.tool["function"]["name"], "arguments": ""}}]})
            for part in arguments:
                yield self.chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
            yield from [self.chunk({}, "tool_calls"), *self.stop()[1:]]
            return
        yield from [*self.start(), *map(self.word, WORDS), *self.stop()]

    wrong = {"prompt_tokens": -3, "completion_tokens": 1e300, "total_tokens": "many"}

    @staticmethod
    def error(kind, message):
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}


class Messages:
    """Anthropic's messages."""

    usage = {"input_tokens": 3, "output_tokens": 4}

    def __init__(self, request):
        self.model = request.json["model"]
        self.messages = request.json.get("messages", [])
        self.tool = (request.json.get("tools") or [None])[0]

    def result(self):
        content = self.messages[-1]["content"]
        parts = [part for part in content if part.get("type") == "tool_result"] if isinstance(content, list) else []
        if not parts:
            return None
        inner = parts[0]["content"]
        return inner if isinstance(inner, str) else inner[0]["text"]

    def message(self, content, reason, usage=None):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": content, "stop_reason": reason,
                "stop_sequence": None, "usage": usage or self.usage}

    def whole(self, usage=None):
        if self.tool and self.result() is None:
            return self.message([{"type": "tool_use", "id": "toolu_1", "name": self.tool["name"], "input": {"city": "Bern"}}], "tool_use", usage)
        return self.message([{"type": "text", "text": self.result() or TEXT}], "end_turn", usage)

    @staticmethod
    def named(name, **data):
        return event({"type": name, **data}, name)

    def start(self):
        return [self.named("message_start", message=self.message([], None, {"input_tokens": 3, "output_tokens": 1})),
                self.named("content_block_start", index=0, content_block={"type": "text", "text": ""})]

    def word(self, text):
        return self.named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def stop(self, usage=None, reason="end_turn"):
        return [self.named("content_block_stop", index=0),
                self.named("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage or {"output_tokens": 4}),
                self.named("message_stop")]

    def events(self):
        if self.tool and self.result() is None:
            yield self.start()[0]
            yield self.named("content_block_start", index=0,
                             content_block={"type": "tool_use", "id": "toolu_1", "name": self.tool["name"], "input": {}})
            for part in ('{"city":', ' "Bern"}'):
                yield self.named("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": part})
            yield from self.stop(reason="tool_use")
            return
        yield from [*self.start(), *map(self.word, WORDS), *self.stop()]

    wrong = {"input_tokens": -3, "output_tokens": 1e300}

    @staticmethod
    def error(kind, message):
        return {"type": "error", "error": {"type": kind, "message": message}}


class Count:
    """Anthropic's count of tokens."""

    def __init__(self, _request):
        pass

    def whole(self):
        return {"input_tokens": 3}

    error = Messages.error


class Responses:
    """OpenAI's responses."""

    def __init__(self, request):
        self.model = request.json["model"]

    def whole(self, usage=None, status="completed"):
        part = {"type": "output_text", "text": TEXT, "annotations": []}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": self.model,
                "output": [message] if status == "completed" else [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
                "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "input_tokens_details": {"cached_tokens": 0},
                          "output_tokens_details": {"reasoning_tokens": 0}} if status == "completed" else None}

    def events(self):
        names = iter(range(100))

        def named(name, **data):
            return event({"type": name, "sequence_number": next(names), **data}, name)
        yield named("response.created", response=self.whole(status="in_progress"))
        for word in WORDS:
            yield named("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=word, logprobs=[])
        yield named("response.completed", response=self.whole())

    error = Chat.error


class Embeddings:
    """OpenAI's embeddings: the numbers 1, 2 and 3 for each text."""

    def __init__(self, request):
        self.model, texts = request.json["model"], request.json["input"]
        self.count = 1 if isinstance(texts, str) else len(texts)
        self.is_packed = request.json.get("encoding_format") == "base64"

    def whole(self):
        numbers = base64.b64encode(struct.pack("<3f", 1, 2, 3)).decode() if self.is_packed else [1.0, 2.0, 3.0]
        return {"object": "list", "model": self.model, "usage": {"prompt_tokens": 3 * self.count, "total_tokens": 3 * self.count},
                "data": [{"object": "embedding", "index": index, "embedding": numbers} for index in range(self.count)]}

    error = Chat.error


PATHS = {"/v1/chat/completions": Chat, "/v1/messages": Messages, "/v1/messages/count_tokens": Count, "/v1/responses": Responses,
         "/v1/embeddings": Embeddings}


def event(data, name=None):
    return ((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n").encode()


class Connection:
    """Requests of one connection, one after the other."""

    def __init__(self, sock):
        self.sock = sock
        self.reader = sock.makefile("rb")

    def serve(self):
        try:
            while True:
                request = Request(self.reader)
                number = next(numbers)
                entry = {"number": number, "method": request.method, "target": request.target, "fields": request.fields,
                         "body": request.body.decode(errors="replace")[:1 << 20], "bytes": len(request.body),
                         "model": request.json.get("model"), "faults": request.faults}
                note(entry)
                how = "done"
                try:
                    self.answer(request)
                except (Left, OSError):
                    how = "left"
                note({"ended": number, "model": request.json.get("model"), "how": how})
                if how == "left":
                    return
        except (Left, OSError, ValueError):
            pass
        finally:
            self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def plain(self, status, value, **fields):
        body = json.dumps(value).encode()
        more = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in fields.items())
        head = f"HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nopenai-organization: ours\r\n{more}content-length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)

    def begin(self):
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def wait_for_the_client(self):
        """Until it leaves."""
        while self.sock.recv(1, socket.MSG_PEEK):
            time.sleep(0.01)
        raise Left

    def has_left(self):
        readable, _, _ = select.select([self.sock], [], [], 0)
        return bool(readable) and not self.sock.recv(1, socket.MSG_PEEK)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.reader.close()
        self.sock.close()
        raise Left

    def answer(self, request):
        if request.faults:
            return self.plain(418, Chat.error("strict", "; ".join(request.faults)))
        if request.method == "GET":
            return self.plain(200, {"object": "list", "data": [{"id": "words", "object": "model", "created": 1, "owned_by": "tests"}]})
        api = PATHS[request.target.split("?")[0]](request)
        model = request.json["model"]
        kind, _, rest = model.partition("-")
        if kind == "busy":
            code, count, _ = rest.split("-", 2)
            with LOCK:
                busy[model] = busy.get(model, 0) + 1
                is_busy = busy[model] <= int(count)
            if is_busy:
                return self.plain(int(code), api.error("rate_limit_error", "come again"), retry_after="0")
        if kind == "gate":
            while not (FOLDER / model).exists():
                if self.has_left():
                    raise Left
                time.sleep(0.01)
        if kind == "refused":
            return self.plain(400, api.error("invalid_request_error", "the strict model does not like it"))
        if model == "early-reset":
            self.reset()
        if model == "silent":
            self.wait_for_the_client()
        if not request.json.get("stream"):
            return self.plain(200, api.whole(api.wrong) if model == "wrong-usage" else api.whole())
        self.begin()
        script = getattr(self, "stream_" + model.replace("-", "_"), None)
        for part in script(api) if script else api.events():
            self.chunk(part)
        self.send(b"0\r\n\r\n")
        return None

    def stream_reset(self, api):
        yield from [*api.start(), *map(api.word, WORDS[:2])]
        # What was sent has to be read there before the connection is thrown away.
        while struct.unpack("i", fcntl_outq(self.sock))[0]:
            time.sleep(0.001)
        time.sleep(0.05)
        self.reset()

    def stream_stall(self, api):
        yield from [*api.start(), *map(api.word, WORDS[:2])]
        self.wait_for_the_client()

    def stream_endless(self, api):
        yield from api.start()
        number = 0
        while not self.has_left():
            yield api.word(f" {number}")
            number += 1
            time.sleep(0.01)
        raise Left

    def stream_flood(self, api):
        """Says how much could be sent by and by, so that a test sees whether somebody stores it."""
        yield from api.start()
        word, sent = api.word("x" * 60_000), 0
        while True:
            sent += len(word)
            (FOLDER / "flooded.new").write_text(str(sent))
            os.rename(FOLDER / "flooded.new", FOLDER / "flooded")
            yield word

    def stream_malformed(self, api):
        yield from [*api.start(), b"data: {\"choices\": [nonsense\n\n", b": a comment\n\n", b"id: 7\nretry: x\n\n", b"\xff\xfe\n\n"]
        yield from [*map(api.word, WORDS), *api.stop()]

    def stream_wrong_usage(self, api):
        yield from [*api.start(), *map(api.word, WORDS), *api.stop(api.wrong)]


def fcntl_outq(sock):
    import fcntl
    import termios
    return fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0")


def end_with_the_tests():
    """Standard input is a pipe that the tests hold: when it ends, they have."""
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    threading.Thread(target=end_with_the_tests, daemon=True).start()
    listener = socket.create_server((ADDRESS, 0), backlog=512)
    (FOLDER / "port.json.new").write_text(json.dumps(listener.getsockname()[1]))
    os.rename(FOLDER / "port.json.new", FOLDER / "port.json")
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Connection(sock).serve, daemon=True).start()


main()
