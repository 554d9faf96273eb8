"""The LiteLLM proxy on a port that the system chooses.

Usage: serve.py FOLDER CONFIGURATION   (FOLDER gets litellm.json with the port at once, and litellm.ready when the proxy answers)
Runs until its standard input ends.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

FOLDER, CONFIGURATION = Path(sys.argv[1]), sys.argv[2]
# It asks nobody on the internet for prices, and tells nobody that it runs.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": CONFIGURATION, "LITELLM_LOG": "ERROR"}


def end_with_the_tests():
    """Standard input is a pipe that the tests hold: when it ends, they have."""
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_the_tests, daemon=True).start()

listener = socket.create_server(("127.0.0.1", 0), backlog=512)
(FOLDER / "litellm.json.new").write_text(json.dumps(listener.getsockname()[1]))
os.rename(FOLDER / "litellm.json.new", FOLDER / "litellm.json")

# pylint: disable=wrong-import-position
import uvicorn
from litellm.proxy.proxy_server import app


class Server(uvicorn.Server):
    """Tells when the application has started."""

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        (FOLDER / "litellm.ready").touch()


Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
