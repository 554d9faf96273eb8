"""urllib3 by itself: it does not look at the environment, so the program names the proxy."""

import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import urllib3

from probe import BEARER, BODY, URL, case, reason_of

proxy = urlsplit(os.environ["HTTPS_PROXY"])
pool = urllib3.ProxyManager(
    f"http://{proxy.hostname}:{proxy.port}", maxsize=4, ssl_context=ssl.create_default_context(),
    proxy_headers=urllib3.make_headers(proxy_basic_auth=f"{proxy.username}:{proxy.password}"))


@case
def allowed():
    return pool.request("GET", URL["web"] + "/hello").json()["hello"]


@case
def plain():
    return pool.request("GET", URL["plain"] + "/hello").json()["hello"]


@case
def bearer():
    return pool.request("GET", URL["web"] + "/private", headers=BEARER).json()


@case
def parallel():
    """Four connections at once, many requests."""
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda _: pool.request("GET", URL["web"] + "/hello").json()["hello"], range(40))
    return sorted(set(answers))


@case
def upload():
    return pool.request("POST", URL["web"] + "/upload", body=BODY).json()["bytes"] == len(BODY)


@case
def denied():
    return reason_of(lambda: pool.request("GET", URL["denied"] + "/hello", retries=False))


@case
def redirected():
    """Without a proxy it is redirected to the gateway."""
    with urllib3.PoolManager() as plain_pool:
        return plain_pool.request("GET", URL["web"] + "/hello").json()["hello"]
