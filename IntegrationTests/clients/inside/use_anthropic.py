"""The SDK of Anthropic, with nothing but its own two variables set: ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."""

import asyncio

import anthropic

from probe import URL, case, reason_of

ASK = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
client = anthropic.Anthropic()


@case
def message():
    return client.messages.create(**ASK).content[0].text


@case
def stream():
    with client.messages.stream(**ASK) as events:
        return list(events.text_stream)


@case
def asynchronous():
    async def work():
        async with anthropic.AsyncAnthropic() as other:
            return (await other.messages.create(**ASK)).content[0].text
    return asyncio.run(work())


@case
def missing():
    try:
        client.messages.create(**{**ASK, "model": "none"})
    except anthropic.NotFoundError as error:
        return error.body["error"]["message"]
    return "no error"


@case
def busy():
    """It comes again by itself."""
    return client.messages.create(**{**ASK, "model": "busy"}).content[0].text


@case
def denied():
    return reason_of(lambda: anthropic.Anthropic(base_url=URL["denied"], max_retries=0).messages.create(**ASK))


@case
def unbound():
    """A placeholder that may not go there: the SDK shows the answer as its own error."""
    try:
        anthropic.Anthropic(base_url=URL["other"], max_retries=0).messages.create(**ASK)
    except anthropic.PermissionDeniedError as error:
        return error.response.json()["reason"]
    return "no error"
