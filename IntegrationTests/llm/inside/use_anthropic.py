"""The SDK of Anthropic, with the placeholder that the agent holds and the platform's gateway."""

import asyncio
import sys

import anthropic

from probe import GATEWAY, case

MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]
TAG, ROUTE = sys.argv[1], sys.argv[2]


def at(route, **options):
    return anthropic.Anthropic(base_url=f"{GATEWAY}/{route}", **options)


client = at(ROUTE)


def create(on=client, model="words", **more):
    return on.messages.create(model=model, max_tokens=100, messages=MESSAGES, **more)


@case
def message():
    answer = create()
    return [answer.content[0].text, answer.usage.input_tokens, answer.usage.output_tokens, answer.stop_reason]


@case
def stream():
    with client.messages.stream(model="words", max_tokens=100, messages=MESSAGES) as events:
        return [list(events.text_stream), events.get_final_message().usage.output_tokens]


@case
def tools():
    call = create(tools=TOOLS).content[0]
    turns = [*MESSAGES, {"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "snow"}]}]
    answer = client.messages.create(model="words", max_tokens=100, messages=turns, tools=TOOLS)
    return [call.name, call.input, answer.content[0].text]


@case
def tools_stream():
    with client.messages.stream(model="words", max_tokens=100, messages=MESSAGES, tools=TOOLS) as events:
        answer = events.get_final_message()
    return [answer.content[0].name, answer.content[0].input, answer.stop_reason]


@case
def asynchronous():
    async def work():
        async with anthropic.AsyncAnthropic(base_url=f"{GATEWAY}/{ROUTE}") as other:
            answers = await asyncio.gather(*(other.messages.create(model="words", max_tokens=100, messages=MESSAGES) for _ in range(8)))
            return sorted({answer.content[0].text for answer in answers})
    return asyncio.run(work())


@case
def bad_request():
    try:
        create(model="refused")
    except anthropic.BadRequestError as error:
        return error.body["error"]["message"]
    return "no error"


@case
def sdk_tries_again():
    return [create(at(f"{ROUTE}-once"), f"busy-{code}-1-{TAG}").content[0].text for code in (429, 529)]


@case
def cancelled():
    with client.messages.stream(model="endless", max_tokens=100, messages=MESSAGES) as events:
        texts = iter(events.text_stream)
        return [next(texts), next(texts)]


@case
def broken_off():
    got = []
    try:
        with at(ROUTE, max_retries=0).messages.stream(model="reset", max_tokens=100, messages=MESSAGES) as events:
            for word in events.text_stream:
                got.append(word)
    except anthropic.APIError as error:
        return [got, error.body["error"]["type"]]
    return [got, "no error"]
