"""A websocket server: says first whether the handshake had the credential, then sends back what comes."""

import json
import logging
import threading

from websockets.sync.server import serve as listen


def serve(address, keys, context):
    """Starts the server and returns its port."""
    logging.getLogger("websockets").setLevel(logging.CRITICAL)

    def talk(socket):
        good = socket.request.headers.get("authorization") == "Bearer " + keys["bearer"]
        socket.send(json.dumps({"authorized": good}))
        for message in socket:
            socket.send(message)

    server = listen(talk, address, 0, ssl=context, max_size=None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.socket.getsockname()[1]
