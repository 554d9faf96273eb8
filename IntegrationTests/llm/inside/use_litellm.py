"""Both SDKs, with the LiteLLM proxy behind the gateway."""

import anthropic
import openai

from probe import GATEWAY, case

MESSAGES = [{"role": "user", "content": "hello"}]
client = openai.OpenAI(base_url=f"{GATEWAY}/litellm/v1")


@case
def chat():
    return client.chat.completions.create(model="mocked", messages=MESSAGES).choices[0].message.content


@case
def stream():
    chunks = list(client.chat.completions.create(model="mocked", messages=MESSAGES, stream=True))
    return ["".join(c.choices[0].delta.content or "" for c in chunks if c.choices), sum(1 for c in chunks if c.usage)]


@case
def stream_usage():
    chunks = list(client.chat.completions.create(model="mocked", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
    return chunks[-1].usage.total_tokens > 0


@case
def relayed():
    """LiteLLM asks another server: what its own proxy is for."""
    answer = client.chat.completions.create(model="relayed", messages=MESSAGES)
    return [answer.choices[0].message.content, answer.usage.total_tokens]


@case
def models():
    return sorted(model.id for model in client.models.list())


@case
def unknown_model():
    try:
        client.chat.completions.create(model="unknown", messages=MESSAGES)
    except openai.APIStatusError as error:
        return error.status_code
    return "no error"


@case
def broken_model():
    try:
        client.chat.completions.create(model="limited", messages=MESSAGES)
    except openai.RateLimitError as error:
        return error.status_code
    return "no error"


@case
def messages():
    """LiteLLM speaks Anthropic's dialect itself, and translates."""
    other = anthropic.Anthropic(base_url=f"{GATEWAY}/litellm-messages")
    return other.messages.create(model="mocked", max_tokens=50, messages=MESSAGES).content[0].text


@case
def messages_stream():
    other = anthropic.Anthropic(base_url=f"{GATEWAY}/litellm-messages")
    with other.messages.stream(model="relayed", max_tokens=50, messages=MESSAGES) as events:
        return "".join(events.text_stream)


@case
def translated():
    """The gateway translates, LiteLLM gets chat completions."""
    other = anthropic.Anthropic(base_url=f"{GATEWAY}/litellm")
    return other.messages.create(model="mocked", max_tokens=50, messages=MESSAGES).content[0].text


@case
def translated_stream():
    other = anthropic.Anthropic(base_url=f"{GATEWAY}/litellm")
    with other.messages.stream(model="mocked", max_tokens=50, messages=MESSAGES) as events:
        return "".join(events.text_stream)
