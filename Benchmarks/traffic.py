"""What the small questions of egress.py do not show: HTTP/2, large bodies, event streams, websockets, many agents, many rules,
new names, and what one agent's flood does to another."""

import time
from contextlib import ExitStack

import machine
import peers
from egress import Contender, stop, wait_ready
from installation import AGENT, Installation
from load import BenchmarkError, Load

MIB = 1 << 20
UNBOUND = "X-Nothing: to swap"
# Name, unit, what one request counts for, connections, path, options.
STREAMS = [
    ("1 MiB down", "MB/s", MIB / 1e6, 8, f"/bytes/{MIB}", ()),
    ("1 MiB up", "MB/s", MIB / 1e6, 8, "/sink", ("--upload", str(MIB))),
    ("100 MiB down", "MB/s", 100 * MIB / 1e6, 2, f"/bytes/{100 * MIB}", ()),
    ("100 MiB up", "MB/s", 100 * MIB / 1e6, 2, "/sink", ("--upload", str(100 * MIB))),
    ("event streams", "events/s", 1, 16, "/events/1000", ("--events",)),
    ("websocket echo", "frames/s", 1, 32, "/socket", ("--socket",)),
]
HTTP2 = ("HTTP/2, 8 connections of 16 streams", "requests/s", 1, 8, peers.CHECKED, ("--streams", "16"))


def envoys(stack, context, folder, mine, others, namespace):
    """Envoy three times: for the streaming upstream, and with HTTP/2 on both sides."""
    wanted = [
        ("stream", 3111, {"ADDRESS": peers.STREAM_ADDRESS, "NAME": peers.STREAM}, peers.STREAM, f"/bytes/10"),
        ("h2", 3112, {"ALPN": "h2", "PROTOCOL": "http2_protocol_options"}, peers.NAME, peers.PLAIN),
    ]
    found = {}
    for name, port, values, host, path in wanted:
        try:
            process = peers.interception(folder, machine.GATEWAY, port, mine, 1, name=f"envoy-{name}", **values)
        except OSError as error:
            context.skip(f"envoy {name}", f"it could not be started ({error})")
            continue
        stack.callback(stop, process)

        def load(path, header=UNBOUND, port=port, host=host):
            return Load(context.program, namespace, f"{machine.GATEWAY}:{port}", context.folder / "ca.pem", path, others, name=host,
                        header=header)

        options = ("--streams", "1") if name == "h2" else ()
        try:
            ready(f"envoy {name}", load(path), options)
        except BenchmarkError as error:
            context.skip(f"envoy {name}", str(error))
            continue
        found[name] = (process.pid, load)
    return found


def ready(name, load, options):
    end = time.monotonic() + 20
    while True:
        try:
            return load.run(1, 1, *options)
        except BenchmarkError as error:
            if time.monotonic() > end:
                raise BenchmarkError(f"{name} does not work: {error}") from None


def streams(context):
    """Throughput of everything that is more than a small answer; ratios to Envoy."""
    seconds, rounds = (2, 1) if context.quick else (4, 3)
    mine, others = machine.split_cores(1)
    folder = context.folder / "streams"
    folder.mkdir(mode=0o755)
    for name in ("ca.key", "ca.pem", "ca-with-key.pem", "server.key", "server.pem"):
        (folder / name).write_bytes((context.folder / name).read_bytes())
    with ExitStack() as stack:
        network = stack.enter_context(machine.PeerNetwork())
        for server in (peers.upstream(context.folder, others), peers.stream_upstream(context.folder, others)):
            stack.callback(stop, server)
        contenders = []
        envoy = envoys(stack, context, folder, mine, others, network.path)
        if "stream" in envoy:
            pid, load = envoy["stream"]
            contenders.append((Contender("envoy", pid, None, "plain interception"), load, STREAMS))
        if "h2" in envoy:
            pid, load = envoy["h2"]
            contenders.append((Contender("envoy", pid, None, "plain interception"), lambda path, load=load: load(peers.PLAIN), [HTTP2]))
        if context.with_palana:
            installation = stack.enter_context(Installation(context.folder, 1, mine))
            installation.start_agent()
            place = installation.client_place()

            def own(path, host, header):
                return Load(context.program, place["namespace"], place["proxy"], place["ca"], path, others, place["auth"], name=host,
                            header=header)

            swapped = f"Authorization: Bearer {peers.PLACEHOLDER}"
            daemon = installation.daemon()
            for name, does, maker, cases in [
                ("palana", "policy, swap, scrubbing, audit", lambda path: own(path, peers.STREAM, swapped), STREAMS),
                ("palana", "policy, swap, scrubbing, audit", lambda path: own(path, peers.NAME, swapped), [HTTP2]),
                ("palana, no secret", "policy, audit", lambda path: own(path, peers.BARE, UNBOUND), STREAMS),
            ]:
                contenders.append((Contender(name, daemon, None, does, alone=True), maker, cases))
        for number in range(1, rounds + 1):
            for case in [HTTP2, *STREAMS]:
                label, _, _, connections, path, options = case
                for contender, maker, cases in contenders:
                    if case not in cases:
                        continue
                    context.say(f"round {number} of {rounds}, {label}: {contender.name}")
                    contender.load = maker(path)
                    contender.measure(label, connections, seconds, *options)
        table = {}
        for contender, _, _ in contenders:
            table.setdefault(contender.name, {}).update(contender.medians())
        return {"cases": [[case[0], case[1], case[2]] for case in [HTTP2, *STREAMS]], "rows": table}


def scale(context):
    """What a request costs with many agents on the gateway, with many rules, and how fast new names get certificates."""
    seconds, agents, rules = (2, (1, 20), (10, 1000)) if context.quick else (4, (1, 10, 100, 1000), (10, 100, 1000, 10_000 - 16))
    mine, others = machine.split_cores(1)
    result = {"agents": {}, "rules": {}, "names": {}}
    with ExitStack() as stack:
        stack.callback(stop, peers.upstream(context.folder, others))
        installation = stack.enter_context(Installation(context.folder, 1, mine))
        installation.start_agent()
        place = installation.client_place()

        def measure(case, path, options, host=peers.NAME, header=f"Authorization: Bearer {peers.PLACEHOLDER}"):
            load = Load(context.program, place["namespace"], place["proxy"], place["ca"], path, others, place["auth"], name=host, header=header)
            contender = Contender("palana", installation.daemon(), load, "", alone=True)
            context.say(case)
            for _ in range(1 if context.quick else 3):
                contender.measure(case, 64, seconds, *options)
            return contender.medians()[case]

        wait_ready("Palana", None, Load(context.program, place["namespace"], place["proxy"], place["ca"], peers.CHECKED, others, place["auth"]), None)
        result["names"]["known name"] = measure("tunnels to one name", "/", ("--handshakes",))
        result["names"]["new names"] = measure("tunnels to new names", "/", ("--handshakes", "--names", "1000000"), peers.NAMES)
        for count in rules:
            installation.apply_rules(count)
            result["rules"][str(count)] = measure(f"{count} rules", peers.CHECKED, ())
        installation.apply_rules(1)
        running = 1
        for count in agents:
            context.say(f"starting agents up to {count}")
            installation.start_idle_agents([f"idle{number}" for number in range(running, count)])
            running = max(running, count)
            result["agents"][str(count)] = measure(f"{count} agents", peers.CHECKED, ())
    return result


FLOODS = [
    ("requests, 256 connections", peers.CHECKED, 256, ()),
    ("HTTP/2 requests, 64 connections of 64 streams", peers.CHECKED, 64, ("--streams", "64")),
    ("new tunnels, 128 at once", "/", 128, ("--handshakes",)),
    ("downloads of 1 MiB, 64 at once", f"/bytes/{MIB}", 64, ()),
]


def flood(context):
    """The latency that one agent sees while another sends what it can; everything as configured by default."""
    seconds = 3 if context.quick else 8
    mine, others = machine.split_cores(1)
    rows = {}
    with ExitStack() as stack:
        for server in (peers.upstream(context.folder, others), peers.stream_upstream(context.folder, others)):
            machine.prefer(server.pid, -15)
            stack.callback(stop, server)
        installation = stack.enter_context(Installation(context.folder, 1, mine, limits={}))
        for name in (AGENT, "flooder"):
            installation.start_agent(name)

        def load(agent, path, niceness, host=peers.NAME):
            place = installation.client_place(agent)
            return Load(context.program, place["namespace"], place["proxy"], place["ca"], path, others, place["auth"], name=host,
                        niceness=niceness)

        # The one that is measured must wait neither for the flooding client's processor nor in the queue of the server that is flooded,
        # only for the gateway.
        quiet = {peers.NAME: load(AGENT, peers.CHECKED, -15), peers.STREAM: load(AGENT, "/bytes/200", -15, peers.STREAM)}
        for asks in quiet.values():
            wait_ready("Palana", None, asks, None)

        def measure(case, host):
            context.say(case)
            done = quiet[host].run(8, seconds, "--rate", "400")
            return {"p50us": done["p50_us"], "p99us": done["p99_us"], "errors": done["errors"], "host": host}

        for host in quiet:
            rows[f"idle, {host}"] = measure("nobody floods", host)
        for name, path, connections, options in FLOODS:
            host = peers.STREAM if path.startswith("/bytes") else peers.NAME
            process = load("flooder", path, 15, host).start("--connections", str(connections), "--seconds", str(seconds + 3), *options)
            try:
                time.sleep(1.5)
                rows[name] = measure(f"a flood of {name}", peers.NAME if host == peers.STREAM else peers.STREAM)
            finally:
                process.kill()
                process.wait()
        for host in quiet:
            rows[f"idle again, {host}"] = measure("nobody floods again", host)
    return {"rows": rows}
