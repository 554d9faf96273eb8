"""The SDK of OpenAI on a route whose provider may speak another dialect: what chat completions have everywhere."""

import asyncio
import json
import sys

import openai

from probe import GATEWAY, case

MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
ROUTE = sys.argv[1]


def at(route, **options):
    return openai.OpenAI(base_url=f"{GATEWAY}/{route}/v1", **options)


client = at(ROUTE)


def create(on=client, model="words", **more):
    return on.chat.completions.create(model=model, messages=MESSAGES, **more)


def words(chunks):
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def reason(chunks):
    return next(chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)


@case
def chat():
    answer = create()
    return [answer.choices[0].message.content, answer.usage.total_tokens, answer.choices[0].finish_reason]


@case
def stream():
    chunks = list(create(stream=True))
    return [words(chunks), reason(chunks)]


@case
def stream_usage():
    chunks = list(create(stream=True, stream_options={"include_usage": True}))
    return [words(chunks), chunks[-1].usage.total_tokens]


@case
def tools():
    choice = create(tools=TOOLS).choices[0]
    call = choice.message.tool_calls[0]
    messages = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude_none=True)]},
                {"role": "tool", "tool_call_id": call.id, "content": "snow"}]
    answer = client.chat.completions.create(model="words", messages=messages, tools=TOOLS)
    return [call.function.name, json.loads(call.function.arguments), choice.finish_reason, answer.choices[0].message.content]


@case
def tools_stream():
    chunks = list(create(tools=TOOLS, stream=True))
    parts = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices and chunk.choices[0].delta.tool_calls]
    return [parts[0].function.name, json.loads("".join(part.function.arguments or "" for part in parts)), reason(chunks)]


@case
def asynchronous():
    async def work():
        async with openai.AsyncOpenAI(base_url=f"{GATEWAY}/{ROUTE}/v1") as other:
            return (await other.chat.completions.create(model="words", messages=MESSAGES)).choices[0].message.content
    return asyncio.run(work())


@case
def bad_request():
    try:
        create(model="refused")
    except openai.BadRequestError as error:
        return error.body["message"]
    return "no error"


@case
def cancelled():
    chunks = create(model="endless", stream=True)
    got = []
    for chunk in chunks:
        got += words([chunk])
        if len(got) == 2:
            break
    chunks.close()
    return got


@case
def broken_off():
    got = []
    try:
        for chunk in create(at(ROUTE, max_retries=0), "reset", stream=True):
            got += words([chunk])
    except openai.APIError as error:
        return [got, error.code]
    return [got, "no error"]
