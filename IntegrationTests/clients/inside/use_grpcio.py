"""grpcio: all four kinds of calls, metadata, errors. It finds the proxy and the authorities in the environment."""

import threading

import grpc

from probe import BEARER, URL, case, reason_of

channel = grpc.secure_channel(URL["rpc"], grpc.ssl_channel_credentials())
METADATA = tuple(BEARER.items())
BIG = bytes(range(251)) * 10_000


def path(name):
    return "/palana.Probe/" + name


@case
def allowed():
    return channel.unary_unary(path("Echo"))(b"hello", timeout=20).decode()


@case
def bearer():
    return channel.unary_unary(path("Private"))(b"", timeout=20, metadata=METADATA).decode()


@case
def big():
    return channel.unary_unary(path("Echo"))(BIG, timeout=20) == BIG


@case
def trailing():
    _, call = channel.unary_unary(path("Echo")).with_call(b"hello", timeout=20)
    return dict(call.trailing_metadata()).get("x-count")


@case
def failure():
    try:
        channel.unary_unary(path("Fail"))(b"", timeout=20)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return "no error"


@case
def download():
    return [message.decode() for message in channel.unary_stream(path("Count"))(b"5", timeout=20)]


@case
def upload():
    return channel.stream_unary(path("Add"))((b"x" * 50_000 for _ in range(40)), timeout=20).decode()


@case
def talk():
    """Each message is sent only when the one before it has come back."""
    back = threading.Semaphore(1)

    def messages():
        for number in range(5):
            if back.acquire(timeout=20):
                yield str(number).encode()
    answers = []
    for message in channel.stream_stream(path("Talk"))(messages(), timeout=20):
        answers.append(message.decode())
        back.release()
    return answers


@case
def parallel():
    calls = [channel.unary_unary(path("Echo")).future(str(number).encode(), timeout=20) for number in range(50)]
    return [call.result().decode() for call in calls] == [str(number) for number in range(50)]


@case
def cancelled():
    call = channel.stream_stream(path("Talk"))(iter(()), timeout=20)
    call.cancel()
    return channel.unary_unary(path("Echo"))(b"still here", timeout=20).decode()


@case
def denied():
    with grpc.secure_channel(URL["rpc_denied"], grpc.ssl_channel_credentials()) as other:
        said = reason_of(lambda: other.unary_unary(path("Echo"))(b"", timeout=20))
        return "403" if "response code 403" in said else said
