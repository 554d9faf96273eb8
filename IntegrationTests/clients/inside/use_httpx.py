"""httpx: HTTP/1.1 and HTTP/2, blocking and not."""

import asyncio

import httpx

from probe import BEARER, BODY, PASSWORD, URL, case, reason_of

# A time limit that only ends what hangs.
one, two = httpx.Client(timeout=60), httpx.Client(http2=True, timeout=60)


@case
def allowed():
    return one.get(URL["web"] + "/hello").json()["hello"]


@case
def plain():
    return one.get(URL["plain"] + "/hello").json()["hello"]


@case
def version():
    return two.get(URL["web"] + "/hello").http_version


@case
def bearer():
    return [client.get(URL["web"] + "/private", headers=BEARER).json()["authorized"] for client in (one, two)]


@case
def basic():
    return [client.get(URL["web"] + "/basic", auth=("user", PASSWORD)).json()["authorized"] for client in (one, two)]


@case
def compressed():
    return [len(client.get(URL["web"] + "/compressed").json()["hello"]) for client in (one, two)]


@case
def empty():
    return [client.get(URL["web"] + "/empty").status_code for client in (one, two)]


@case
def redirect():
    return two.get(URL["web"] + "/redirect/hello", follow_redirects=True).json()["hello"]


@case
def upload():
    return [client.post(URL["web"] + "/upload", content=BODY).json()["bytes"] == len(BODY) for client in (one, two)]


@case
def upload_stream():
    def pieces():
        yield from (BODY[start:start + 70_000] for start in range(0, len(BODY), 70_000))
    return [client.post(URL["web"] + "/upload", content=pieces()).json()["bytes"] == len(BODY) for client in (one, two)]


@case
def download():
    with two.stream("GET", URL["web"] + "/bytes/8000000") as response:
        return sum(len(piece) for piece in response.iter_bytes())


@case
def events():
    with two.stream("GET", URL["web"] + "/events/5") as response:
        return [line for line in response.iter_lines() if line]


@case
def parallel():
    """Many requests at once on one connection, where the protocol can."""
    async def work():
        async with httpx.AsyncClient(http2=True) as client:
            answers = await asyncio.gather(*[client.get(URL["web"] + "/bytes/100000") for _ in range(40)])
            return sorted({len(answer.content) for answer in answers})
    return asyncio.run(work())


@case
def abandoned():
    """Answers that nobody reads to their end hold up nothing else on the connection.

    What httpx does not read it never gives back to the connection's window of 16 MiB, with any server: 10 MB stay below.
    """
    with httpx.Client(http2=True, timeout=60) as client:
        for _ in range(20):
            with client.stream("GET", URL["web"] + "/bytes/500000") as response:
                next(response.iter_bytes())
        return client.get(URL["web"] + "/hello").json()["hello"]


@case
def refused_upload():
    """The reason arrives although most of the body is still to be sent."""
    return [client.post(URL["other"] + "/upload", content=BODY, headers=BEARER).json()["reason"] for client in (one, two)]


@case
def denied():
    return reason_of(lambda: two.get(URL["denied"] + "/hello"))


@case
def unbound():
    return [client.get(URL["other"] + "/private", headers=BEARER).json()["reason"] for client in (one, two)]
