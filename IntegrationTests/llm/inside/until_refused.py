"""Calls until it is refused, as a program that does not know of budgets; says how it ended and how long the SDK went on."""

import sys
import time

import openai

from probe import BASE, case

client = openai.OpenAI(base_url=BASE)


@case
def calls():
    count = 0
    while count < int(sys.argv[1]):
        begun = time.monotonic()
        try:
            client.chat.completions.create(model="words", messages=[{"role": "user", "content": "hello"}], max_tokens=50)
        except openai.RateLimitError as error:
            return [count, error.code, "resets" if "resets at" in error.body["message"] else error.body["message"],
                    "at once" if time.monotonic() - begun < 20 else "late"]
        count += 1
    return [count, "no error"]
