"""Object storage, tokens and tables as a cloud offers them: moto, behind TLS."""

import logging
import os
import threading

# The name of the bucket stands in the path, whatever the host is called.
os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from signed import Signed  # noqa: E402


def serve(address, context, keys=None):
    """Starts the server and returns its port. With `keys` (name to secret) only for requests that one of them has signed."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    application = DomainDispatcherApplication(create_backend_app)
    application = Signed(application, keys) if keys else application
    server = make_server(address, 0, application, threaded=True, ssl_context=context)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
