"""requests: sessions, streams, redirects, both kinds of credentials."""

import hashlib
import json

import requests

from probe import BEARER, BODY, PASSWORD, URL, case, denial, reason_of

session = requests.Session()


@case
def allowed():
    return session.get(URL["web"] + "/hello").json()["hello"]


@case
def plain():
    return session.get(URL["plain"] + "/hello").json()["hello"]


@case
def kept():
    """Requests of one session share one connection all the way."""
    return len({session.get(URL["web"] + "/connection").json()["port"] for _ in range(5)})


@case
def bearer():
    return session.get(URL["web"] + "/private", headers=BEARER).json()


@case
def basic():
    return session.get(URL["web"] + "/basic", auth=("user", PASSWORD)).json()


@case
def redirect():
    return session.get(URL["web"] + "/redirect/hello").json()["hello"]


@case
def compressed():
    response = session.get(URL["web"] + "/compressed")
    return [response.headers.get("content-encoding"), len(response.json()["hello"])]


@case
def methods():
    return [session.request(method, URL["web"] + "/hello").status_code for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")]


@case
def empty():
    return [session.get(URL["web"] + "/empty").status_code, session.get(URL["web"] + "/hello").status_code]


@case
def events():
    with session.get(URL["web"] + "/events/5", stream=True) as response:
        return [line.decode() for line in response.iter_lines() if line]


@case
def download():
    with session.get(URL["web"] + "/bytes/8000000", stream=True) as response:
        return sum(len(piece) for piece in response.iter_content(50_000))


@case
def upload():
    pieces = (BODY[start:start + 70_000] for start in range(0, len(BODY), 70_000))
    answer = session.post(URL["web"] + "/upload", data=pieces).json()
    return [answer["sha256"] == hashlib.sha256(BODY).hexdigest(), answer["chunked"]]


@case
def form():
    return session.post(URL["web"] + "/upload", files={"file": ("a.bin", BODY)}).json()["bytes"] > len(BODY)


@case
def denied():
    return reason_of(lambda: session.get(URL["denied"] + "/hello"))


@case
def denied_plain():
    response = session.get(URL["denied_plain"] + "/hello")
    return [response.status_code, response.json()["reason"]]


@case
def unbound():
    """The placeholder goes to a host that it is not bound to."""
    response = session.get(URL["other"] + "/private", headers=BEARER)
    return [response.status_code, json.loads(response.text)["reason"]]


@case
def unbound_error():
    return reason_of(session.get(URL["other"] + "/private", headers=BEARER).raise_for_status)
