"""The standard library: urllib.request over http.client, which opens tunnels in HTTP/1.0."""

import json
import urllib.error
import urllib.request

from probe import BEARER, BODY, URL, case, denial, reason_of


def get(url, headers=None, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data, headers or {})) as response:
        return json.load(response)


@case
def allowed():
    return get(URL["web"] + "/hello")["hello"]


@case
def plain():
    return get(URL["plain"] + "/hello")["hello"]


@case
def bearer():
    return get(URL["web"] + "/private", BEARER)


@case
def redirect():
    return get(URL["web"] + "/redirect/hello")["hello"]


@case
def upload():
    return get(URL["web"] + "/upload", data=BODY)["bytes"] == len(BODY)


@case
def denied():
    return reason_of(lambda: get(URL["denied"] + "/hello"))


@case
def denied_plain():
    try:
        return get(URL["denied_plain"] + "/hello")
    except urllib.error.HTTPError as error:
        return denial(error.read().decode())
