"""What the programs of this folder share: how they say what they saw.

Each runs inside of an agent as `python3 NAME.py`, with nothing but the agent's own environment. What a case returns, or why it failed,
goes out as one JSON object of texts.
"""

import atexit
import json
import os

BASE = os.environ["PALANA_LLM_BASE_URL"]
# http://ADDRESS:PORT, below which every route is.
GATEWAY = BASE.rsplit("/", 2)[0]
seen = {}


def case(function):
    """Runs a case at once and notes what came of it."""
    try:
        value = function()
    except Exception as error:  # pylint: disable=broad-except
        value = f"{type(error).__name__}: {error}"
    seen[function.__name__] = value if isinstance(value, str) else json.dumps(value)
    return function


@atexit.register
def tell():
    print(json.dumps(seen))
