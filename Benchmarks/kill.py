"""How fast a kill takes effect while an agent holds many open connections."""

import json
import statistics
import time
from contextlib import ExitStack

import machine
import peers
from egress import stop, wait_ready
from installation import AGENT, Installation
from load import BenchmarkError, IdleTunnels, Load


def once(context, installation, count):
    """One kill. Milliseconds of the planes as the daemon reports them, and until the client saw the first and last close."""
    place = installation.client_place()
    load = Load(context.program, place["namespace"], place["proxy"], place["ca"], peers.CHECKED, set(machine.cores()),
                place["auth"])
    with IdleTunnels(load, count, 60) as tunnels:
        opened = tunnels.opened["open"]
        if opened < count:
            raise BenchmarkError(f"only {opened} of {count} tunnels were opened: {tunnels.opened['error']}")
        start = time.monotonic_ns() / 1e3
        report = json.loads(installation.pcli("kill", AGENT, "--reason", "benchmark", "-o", "json"))
        returned = time.monotonic_ns() / 1e3
        closed = tunnels.closed()
    if closed["closed"] != opened:
        raise BenchmarkError(f"only {closed['closed']} of {opened} tunnels were closed")
    row = {plane["name"]: plane["milliseconds"] for plane in report["planes"]}
    return row | {"total": report["totalMilliseconds"], "firstCloseSeen": (closed["first_us"] - start) / 1e3,
                  "lastCloseSeen": (closed["last_us"] - start) / 1e3, "pcliReturned": (returned - start) / 1e3}


def run(context):
    count, rounds = (200, 3) if context.quick else (1000, 10)
    with ExitStack() as stack:
        others = set(machine.cores())
        upstream = peers.upstream(context.folder, others)
        stack.callback(stop, upstream)
        direct = Load(context.program, None, f"{peers.ADDRESS}:443", context.folder / "ca.pem", peers.PLAIN, others, direct=True)
        wait_ready("the upstream", upstream, direct, context.folder / "upstream.log")
        installation = stack.enter_context(Installation(context.folder))
        installation.start_agent()
        taken = []
        for number in range(rounds):
            context.say(f"kill with {count} tunnels, round {number + 1} of {rounds}")
            taken.append(once(context, installation, count))
            installation.pcli("unkill", AGENT, "--reason", "benchmark")
            installation.pcli("run", AGENT)
    names = list(taken[0])
    return {"tunnels": count, "rounds": rounds,
            "ms": {name: round(statistics.median(one[name] for one in taken), 2) for name in names},
            "worstMs": {name: round(max(one[name] for one in taken), 2) for name in names}}
