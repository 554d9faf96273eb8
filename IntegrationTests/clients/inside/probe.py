"""What the programs of this folder share: where the services are, and how they say what they saw.

Each runs inside of an agent as `python3 NAME.py SERVICES`, with nothing but the agent's own environment. SERVICES is a JSON object of
URLs. What a case returns, or why it failed, goes out as one JSON object of texts.
"""

import atexit
import json
import os
import sys

URL = json.loads(sys.argv[1])
TOKEN = os.environ["CLIENT_TOKEN"]
PASSWORD = os.environ["CLIENT_PASSWORD"]
BEARER = {"authorization": "Bearer " + TOKEN}
# More than any buffer on the way, and nothing that repeats at a border of blocks.
BODY = bytes(range(251)) * 20_000
seen = {}


def chain(error):
    """The texts of an error and of what led to it."""
    parts = []
    while error is not None and len(parts) < 8:
        parts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "; ".join(parts)


def case(function):
    """Runs a case at once and notes what came of it."""
    try:
        value = function()
    except Exception as error:  # pylint: disable=broad-except
        value = chain(error)
    seen[function.__name__] = value if isinstance(value, str) else json.dumps(value)
    return function


def denial(text):
    """The reason in the text of an error or the body of an answer; the text itself when there is none."""
    for reason in ("host_not_allowed", "path_not_allowed", "secret_not_bound", "signature_not_supported"):
        if reason in text:
            return reason
    return text


def reason_of(function):
    """The gateway's reason that a failing call shows."""
    try:
        function()
    except Exception as error:  # pylint: disable=broad-except
        return denial(chain(error))
    return "no error"


@atexit.register
def tell():
    print(json.dumps(seen))
