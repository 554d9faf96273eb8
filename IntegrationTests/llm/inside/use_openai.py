"""The SDK of OpenAI, with the placeholder that the agent holds and the platform's base URL."""

import asyncio
import json
import sys

import openai

from probe import BASE, GATEWAY, case

MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
# Counters of the model behind are by name.
TAG = sys.argv[1]
client = openai.OpenAI(base_url=BASE)


def at(route, **options):
    return openai.OpenAI(base_url=f"{GATEWAY}/{route}/v1", **options)


def create(on=client, model="words", **more):
    return on.chat.completions.create(model=model, messages=MESSAGES, **more)


def text(answer):
    return answer.choices[0].message.content


def words(chunks):
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


@case
def chat():
    answer = create()
    return [text(answer), answer.usage.total_tokens, answer.choices[0].finish_reason]


@case
def stream():
    chunks = list(create(stream=True))
    return [words(chunks), [chunk.usage for chunk in chunks if chunk.usage], [len(chunk.choices) for chunk in chunks if not chunk.choices]]


@case
def stream_usage():
    chunks = list(create(stream=True, stream_options={"include_usage": True}))
    return [words(chunks), chunks[-1].usage.total_tokens, chunks[-1].choices]


def with_a_tool(call, result):
    messages = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call["id"], "content": result}]
    return text(client.chat.completions.create(model="words", messages=messages, tools=TOOLS))


@case
def tools():
    call = create(tools=TOOLS).choices[0].message.tool_calls[0]
    return [call.function.name, json.loads(call.function.arguments), with_a_tool(call.model_dump(exclude_none=True), "snow")]


@case
def tools_stream():
    parts = [chunk.choices[0].delta.tool_calls[0] for chunk in create(tools=TOOLS, stream=True)
             if chunk.choices and chunk.choices[0].delta.tool_calls]
    return [parts[0].function.name, json.loads("".join(part.function.arguments for part in parts)), len(parts)]


@case
def embeddings():
    answer = client.embeddings.create(model="words", input=["one", "two"])
    return [[item.embedding for item in answer.data], answer.usage.total_tokens]


@case
def responses():
    return client.responses.create(model="words", input="hello").output_text


@case
def responses_stream():
    events = list(client.responses.create(model="words", input="hello", stream=True))
    return ["".join(event.delta for event in events if event.type == "response.output_text.delta"), events[-1].response.usage.total_tokens]


@case
def models():
    return [model.id for model in client.models.list()]


@case
def models_of_a_route():
    return [model.id for model in at("few").models.list()]


@case
def alias():
    return text(create(at("few"), "fast"))


@case
def asynchronous():
    async def work():
        async with openai.AsyncOpenAI(base_url=BASE) as other:
            return text(await other.chat.completions.create(model="words", messages=MESSAGES))
    return asyncio.run(work())


@case
def parallel():
    async def one(other, number):
        chunks = [chunk async for chunk in await other.chat.completions.create(
            model="words", messages=[{"role": "user", "content": f"number {number}"}], stream=True)]
        return "".join(words(chunks))

    async def work():
        async with openai.AsyncOpenAI(base_url=BASE) as other:
            return await asyncio.gather(*(one(other, number) for number in range(32)))
    answers = asyncio.run(work())
    return [len(answers), sorted(set(answers))]


@case
def bad_request():
    try:
        create(model="refused")
    except openai.BadRequestError as error:
        return error.body["message"]
    return "no error"


@case
def not_allowed():
    try:
        create(at("few"), "forbidden")
    except openai.PermissionDeniedError as error:
        return [error.code, error.param]
    return "no error"


@case
def no_route():
    try:
        create(at("nowhere"))
    except openai.NotFoundError as error:
        return error.code
    return "no error"


@case
def gateway_tries_again():
    """The SDK does not: what it gets is whole."""
    return text(create(at("unified", max_retries=0), f"busy-429-2-{TAG}"))


@case
def sdk_tries_again():
    """On a route where the gateway does not."""
    return [text(create(at("once"), f"busy-{code}-1-{TAG}")) for code in (429, 503)]


@case
def nobody_tries_again():
    try:
        create(at("once", max_retries=0), f"busy-429-9-{TAG}")
    except openai.RateLimitError as error:
        return error.body["message"]
    return "no error"


@case
def cancelled():
    chunks = create(model="endless", stream=True)
    first = [next(iter(words([chunk])), "") for chunk in (next(chunks), next(chunks), next(chunks))]
    chunks.close()
    return first


@case
def broken_off():
    """What came before is there, and the end is an error, not an end."""
    got = []
    try:
        for chunk in create(at("unified", max_retries=0), "reset", stream=True):
            got += words([chunk])
    except openai.APIError as error:
        return [got, error.code]
    return [got, "no error"]
