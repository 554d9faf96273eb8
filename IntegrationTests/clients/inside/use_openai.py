"""The SDK of OpenAI, with nothing but its own two variables set: OPENAI_API_KEY and OPENAI_BASE_URL."""

import asyncio

import openai

from probe import URL, case, reason_of

MESSAGES = [{"role": "user", "content": "hello"}]
client = openai.OpenAI()


@case
def chat():
    return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


@case
def stream():
    chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]


@case
def responses():
    return client.responses.create(model="m", input="hello").output_text


@case
def asynchronous():
    async def work():
        async with openai.AsyncOpenAI() as other:
            return (await other.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content
    return asyncio.run(work())


@case
def missing():
    try:
        client.chat.completions.create(model="none", messages=MESSAGES)
    except openai.NotFoundError as error:
        return error.body["message"]
    return "no error"


@case
def busy():
    """It comes again by itself."""
    return client.chat.completions.create(model="busy", messages=MESSAGES).choices[0].message.content


@case
def wrong():
    try:
        openai.OpenAI(api_key="sk-somebody-else").chat.completions.create(model="m", messages=MESSAGES)
    except openai.AuthenticationError as error:
        return error.status_code
    return "no error"


@case
def denied():
    other = openai.OpenAI(base_url=URL["denied"] + "/v1", max_retries=0)
    return reason_of(lambda: other.chat.completions.create(model="m", messages=MESSAGES))


@case
def unbound():
    """A placeholder that may not go there: the SDK shows the answer as its own error."""
    other = openai.OpenAI(base_url=URL["other"] + "/v1", max_retries=0)
    try:
        other.chat.completions.create(model="m", messages=MESSAGES)
    except openai.PermissionDeniedError as error:
        return error.response.json()["reason"]
    return "no error"
