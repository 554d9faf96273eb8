"""A gRPC server with a method of each kind; messages are plain bytes, so that nothing has to be generated."""

from concurrent.futures import ThreadPoolExecutor

import grpc


def serve(address, keys, certificate, key):
    """Starts the server and returns its port."""

    def is_private(context):
        return ("authorization", "Bearer " + keys["bearer"]) in context.invocation_metadata()

    def echo(request, context):
        context.set_trailing_metadata([("x-count", str(len(request)))])
        return request

    def private(request, context):
        if not is_private(context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the credential is missing")
        return b"authorized"

    def fail(request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "not here: 100 %")

    def count(request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def add(requests, context):
        return str(sum(len(request) for request in requests)).encode()

    def talk(requests, context):
        yield from requests

    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Private": grpc.unary_unary_rpc_method_handler(private),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Add": grpc.stream_unary_rpc_method_handler(add),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
    }
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("palana.Probe", handlers),))
    port = server.add_secure_port(f"{address}:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    serve.running = server  # It ends when nothing refers to it.
    return port
