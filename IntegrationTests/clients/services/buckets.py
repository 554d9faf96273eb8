"""Object storage, tokens and tables as a cloud offers them: moto, behind TLS."""

import logging
import os
import threading

# The name of the bucket stands in the path, whatever the host is called.
os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402


def serve(address, context):
    """Starts the server and returns its port."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server(address, 0, DomainDispatcherApplication(create_backend_app), threaded=True, ssl_context=context)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
