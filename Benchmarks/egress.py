"""The egress gateway against Envoy, squid and mitmproxy: throughput, latency, processor time, memory, new tunnels."""

import statistics
import time
from contextlib import ExitStack

import machine
import peers
from installation import Installation
from load import BenchmarkError, IdleTunnels, Load

NOT_ASKED = "plain interception: no policy, no swap, no record"
PEER_PORTS = {"envoy": 3101, "squid": 3102, "mitmproxy": 3103}


class Contender:
    """A proxy that runs. `pid`: its process; what it started counts too, except for `alone`."""

    def __init__(self, name, pid, load, does, alone=False):
        self.name, self.pid, self.load, self.does, self.alone = name, pid, load, does, alone
        self.runs = {}

    def pids(self):
        return [self.pid] if self.alone else machine.children(self.pid)

    def measure(self, case, connections, seconds, *options):
        """One run; keeps the numbers under the case's name."""
        before = machine.cpu_seconds(self.pids())
        result = self.load.run(connections, seconds, *options)
        used = machine.cpu_seconds(self.pids()) - before
        answered = result["requests"]
        self.runs.setdefault(case, []).append({
            "perSecond": result["rps"], "p50us": result["p50_us"], "p99us": result["p99_us"],
            "cpuUs": 1e6 * used / answered, "coresUsed": used / result["seconds"], "errors": result["errors"],
            "error": result["error"]})

    def medians(self):
        """Of each case, the median of each number over the rounds, the errors added up, and the spread of the rates."""
        table = {}
        for case, runs in self.runs.items():
            row = {key: round(statistics.median(run[key] for run in runs), 2)
                   for key in ("perSecond", "p50us", "p99us", "cpuUs", "coresUsed")}
            rates = [run["perSecond"] for run in runs]
            row |= {"rounds": len(runs), "slowest": min(rates), "fastest": max(rates),
                    "errors": sum(run["errors"] for run in runs)}
            if row["errors"]:
                row["error"] = next(run["error"] for run in runs if run["error"])
            table[case] = row
        return table


def wait_ready(name, process, load, log):
    """Until a request comes through; at most 20 seconds."""
    end = time.monotonic() + 20
    last = "no answer"
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            break
        try:
            load.run(1, 1)
            return
        except BenchmarkError as error:
            last = str(error)
    text = log.read_text(errors="replace")[-600:] if log else ""
    raise BenchmarkError(f"{name} does not work: {last} {text}".strip())


def peers_of(stack, context, workers, mine, others, namespace):
    """Starts the peers that this machine has; the others are named with the reason."""
    folder = context.folder / f"peers-{workers}"
    folder.mkdir(mode=0o755)
    for name in ("ca.key", "ca.pem", "ca-with-key.pem", "server.key", "server.pem"):
        (folder / name).write_bytes((context.folder / name).read_bytes())
        (folder / name).chmod(0o600)
    starters = {
        "envoy": (peers.interception, peers.PLAIN, NOT_ASKED, (mine, workers)),
        "squid": (peers.squid, peers.PLAIN, NOT_ASKED, (mine, workers)),
        "mitmproxy": (peers.mitmproxy, peers.CHECKED, "the same swap; no policy, no record", (mine,)),
    }
    if workers > 1:
        del starters["mitmproxy"]
    found = []
    for name, (starter, path, does, arguments) in starters.items():
        try:
            process = starter(folder, machine.GATEWAY, PEER_PORTS[name], *arguments)
        except (OSError, LookupError) as error:
            context.skip(name, f"it could not be started ({error}); scripts/setup --bench installs it")
            continue
        stack.callback(stop, process)
        load = Load(context.program, namespace, f"{machine.GATEWAY}:{PEER_PORTS[name]}", context.folder / "ca.pem", path, others)
        log = next((file for file in (folder / f"{name}.log", folder / f"{name}-{workers}.log") if file.exists()), None)
        try:
            wait_ready(name, process, load, log)
        except BenchmarkError as error:
            context.skip(name, str(error))
            continue
        found.append(Contender(name, process.pid, load, does))
    return found


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except Exception:
        process.kill()
        process.wait()


def palana(stack, context, workers, mine, others):
    installation = stack.enter_context(Installation(context.folder, workers, mine))
    installation.start_agent()
    place = installation.client_place()
    load = Load(context.program, place["namespace"], place["proxy"], place["ca"], peers.CHECKED, others, place["auth"])
    wait_ready("Palana", None, load, None)
    return Contender("palana", installation.daemon(), load, "policy, swap and audit of each request", alone=True)


def memory(contender, count):
    """Bytes that each of many idle tunnels costs, and their number."""
    before = machine.resident_bytes(contender.pids())
    with IdleTunnels(contender.load, count, 120) as tunnels:
        opened = tunnels.opened["open"]
        if not opened:
            raise BenchmarkError(tunnels.opened["error"])
        return {"tunnels": opened, "bytesEach": round((machine.resident_bytes(contender.pids()) - before) / opened),
                "openedPerSecond": round(opened / tunnels.opened["seconds"], 1), "error": tunnels.opened["error"]}


def run(context, workers):
    """One table: everything with this number of workers, interleaved over the rounds."""
    quick = context.quick
    seconds, rounds, idle = (2, 2, 200) if quick else (5, 5, 1000)
    cases = [("1", 1, ()), ("64", 64, ()), ("64 at 2000/s", 64, ("--rate", "2000")), ("new tunnels", 64, ("--new-tunnels",))]
    mine, others = machine.split_cores(workers)
    with ExitStack() as stack:
        network = stack.enter_context(machine.PeerNetwork())
        upstream = peers.upstream(context.folder, others)
        stack.callback(stop, upstream)
        direct = Load(context.program, None, f"{peers.ADDRESS}:443", context.folder / "ca.pem", peers.PLAIN, others, direct=True)
        wait_ready("the upstream", upstream, direct, context.folder / "upstream.log")
        contenders = peers_of(stack, context, workers, mine, others, network.path)
        if context.with_palana:
            contenders.append(palana(stack, context, workers, mine, others))
        rows = {contender.name: {"does": contender.does} for contender in contenders}
        # First, while nothing has grown yet: later the memory of earlier requests would be used again.
        for contender in contenders:
            context.say(f"{workers} worker(s), {contender.name}: {idle} idle tunnels")
            rows[contender.name]["memory"] = memory(contender, idle)
        bare = Contender("no proxy", upstream.pid, direct, "the client and the upstream alone")
        for number in range(1, rounds + 1):
            for case, connections, options in cases:
                for contender in [bare, *contenders]:
                    if contender.name == "mitmproxy" and "2000" in case:
                        continue
                    context.say(f"{workers} worker(s), round {number} of {rounds}, {case}: {contender.name}")
                    contender.measure(case, connections, seconds, *options)
        for contender in contenders:
            rows[contender.name]["cases"] = contender.medians()
        rows["no proxy"] = {"does": bare.does, "cases": bare.medians()}
        return {"workers": workers, "proxyCores": sorted(mine), "otherCores": sorted(others), "seconds": seconds, "rows": rows}
