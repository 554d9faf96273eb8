"""wget: credentials before and after a challenge, bodies."""

from probe import BODY, PASSWORD, TOKEN, URL, case, denial
from programs import body, run

FILE = body("wget-body")


def wget(*arguments):
    return run("wget", "-nv", "-O", "-", "--tries=1", *arguments)


@case
def allowed():
    return wget(URL["web"] + "/hello")


@case
def plain():
    return wget(URL["plain"] + "/hello")


@case
def bearer():
    return wget("--header=Authorization: Bearer " + TOKEN, URL["web"] + "/private")


@case
def basic():
    """It asks without a credential first, and again when told to."""
    return wget("--user=user", "--password=" + PASSWORD, URL["web"] + "/basic")


@case
def redirect():
    return wget(URL["web"] + "/redirect/hello")


@case
def upload():
    return f'"bytes": {len(BODY)}' in wget("--post-file=" + FILE, URL["web"] + "/upload")


@case
def denied():
    return denial(wget(URL["denied"] + "/hello"))


@case
def denied_plain():
    return denial(wget(URL["denied_plain"] + "/hello"))
