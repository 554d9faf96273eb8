"""curl: each kind of request, each version, bodies both ways."""

from probe import BODY, PASSWORD, TOKEN, URL, case, denial
from programs import body, run

FILE = body("curl-body")


def curl(*arguments):
    return run("curl", "-sS", *arguments)


@case
def allowed():
    return curl(URL["web"] + "/hello")


@case
def plain():
    return curl(URL["plain"] + "/hello")


@case
def bearer():
    return curl("-H", "Authorization: Bearer " + TOKEN, URL["web"] + "/private")


@case
def basic():
    return curl("-u", "user:" + PASSWORD, URL["web"] + "/basic")


@case
def redirect():
    return curl("-L", URL["web"] + "/redirect/hello")


@case
def compressed():
    return len(curl("--compressed", URL["web"] + "/compressed"))


# Large uploads go over HTTP/1.1: over HTTP/2 libcurl 7.88 sends a part of them twice when the socket is full for a moment.
@case
def expectation():
    return curl("--http1.1", "-H", "Expect: 100-continue", "-T", FILE, "-w", " %{http_code}", URL["web"] + "/upload").split()[-1]


@case
def chunked():
    return f'"bytes": {len(BODY)}' in run("sh", "-c", 'curl -sS --http1.1 -T - "$0" < curl-body', URL["web"] + "/upload")


@case
def chunked_2():
    return '"bytes": 60000' in run("sh", "-c", 'head -c 60000 curl-body | curl -sS --http2 -T - "$0"', URL["web"] + "/upload")


@case
def version():
    return curl("-o", "/dev/null", "-w", "%{http_version}", URL["web"] + "/hello")


@case
def version_1():
    return curl("--http1.1", "-o", "/dev/null", "-w", "%{http_version}", URL["web"] + "/hello")


@case
def version_0():
    return curl("--http1.0", "-o", "/dev/null", "-w", "%{http_code}", URL["web"] + "/hello")


@case
def parallel():
    urls = [URL["web"] + "/hello"] * 20
    return curl("--parallel", *urls).count("world")


@case
def denied():
    return denial(curl("-v", URL["denied"] + "/hello"))


@case
def denied_plain():
    return denial(curl(URL["denied_plain"] + "/hello"))
