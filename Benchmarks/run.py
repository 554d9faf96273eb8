"""The benchmarks: everything is compared in the same run, in turns; only ratios mean something on another machine.

Usage: run.py [egress|questions|streams|scale|flood|start|kill|kubernetes|llm]… [--quick] [--workers N]… [--nice N] [--without-palana] [--keep]
"""

import argparse
import datetime
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import egress
import kill
import kubernetes
import llm
import load
import machine
import peers
import start
import table
import traffic
from installation import ROOT, release_folder

RESULTS = ROOT / "Benchmarks" / "results"
AREAS = ("questions", "streams", "scale", "flood", "start", "kill", "kubernetes", "llm")
# What `egress` stands for.
EGRESS = ("questions", "streams", "scale", "flood")


class Context:
    """What every benchmark needs: a private folder, the load generator, how long to run, and a place to say things."""

    def __init__(self, folder, options):
        self.folder, self.quick, self.with_palana = folder, options.quick, not options.without_palana
        self.skipped = {}
        peers.certificates(folder)
        self.program = load.build(folder)

    def say(self, text):
        if sys.stdout.isatty():
            print(f"\r\x1b[K  {text}", end="", flush=True)
        else:
            print(f"  {text}", flush=True)

    def skip(self, name, reason):
        self.skipped[name] = reason
        self.say(f"without {name}: {reason}")
        print(flush=True)


def measure(context, areas, workers):
    """Runs the areas one after the other and returns their tables."""
    result = {}
    for area in AREAS:
        if area not in areas:
            continue
        try:
            measure_area(context, area, workers, result)
        except (load.BenchmarkError, OSError) as error:
            # Half an hour of the others' numbers is not thrown away.
            print(f"error: {area}: {error}", file=sys.stderr, flush=True)
            result.setdefault("failed", {})[area] = str(error)
    return result


def measure_area(context, area, workers, result):
    if area == "questions":
        result["egress"] = []
        for count in workers:
            result["egress"].append(egress.run(context, count))
            show(context, table.egress(result["egress"][-1]))
    elif area == "streams":
        result[area] = traffic.streams(context)
        show(context, table.streams(result[area]))
    elif not context.with_palana:
        context.skip(area, "it measures Palana only")
    elif area == "kubernetes" and not kubernetes.is_there():
        context.skip(area, "there is no API server with controllers: set KUBEBUILDER_ASSETS")
    else:
        runner = {"scale": traffic.scale, "flood": traffic.flood, "start": start.run, "kill": kill.run,
                  "kubernetes": kubernetes.run, "llm": llm.run}[area]
        result[area] = runner(context)
        show(context, getattr(table, area)(result[area]))


def show(context, text):
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")
    print("\n" + "\n".join(text) + "\n", flush=True)


def versions():
    return {
        "palana": machine.version("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "envoy": machine.version(str(peers.TOOLS / "envoy" / "envoy"), "--version"),
        "squid": machine.version("squid", "-v"), "crun": machine.version("crun", "--version"),
        "mitmproxy": machine.version(str(peers.TOOLS / "mitmproxy" / "bin" / "mitmdump"), "--version"),
        "litellm": machine.version(str(peers.TOOLS / "litellm" / "bin" / "python"), "-c", "import importlib.metadata as m; print(m.version('litellm'))"),
        "podman": machine.version("podman", "--version"), "openssl": machine.version("openssl", "version"),
    }


def write(result):
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    target = RESULTS / (result["time"].replace(":", "").replace("+0000", "Z") + ".json")
    target.write_text(text)
    (RESULTS / "latest.json").write_text(text)
    return target.relative_to(ROOT)


def limits(result):
    """What limits the numbers, said from the numbers."""
    out = []
    for one in result.get("egress", []):
        bare = one["rows"]["no proxy"]["cases"]["64"]["perSecond"]
        own = one["rows"].get("palana", {}).get("cases", {}).get("64")
        if own:
            out.append(f"{one['workers']} worker(s): the gateway used {own['coresUsed']:.2f} of {len(one['proxyCores'])} cores and was at "
                       f"{own['perSecond'] / bare:.0%} of what client and upstream reach without a proxy on the other cores.")
    average = os.getloadavg()[0]
    if average > 2 * len(machine.cores()):
        out.append(f"This machine has other work (load average {average:.0f} on {len(machine.cores())} cores): "
                   "rates and latencies are too low for every contender; processor time and ratios are what to read.")
    return out


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="./bench", description="Benchmarks against peers in the same run.")
    parser.add_argument("areas", nargs="*", metavar="egress|start|kill|kubernetes|llm",
                        help=f"all of them when none is named; egress is {', '.join(EGRESS)}, which can be named one by one")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer rounds, fewer connections")
    parser.add_argument("--workers", type=int, action="append", choices=(1, 2), help="only this number of workers (egress)")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="niceness of everything, such as -10 on a busy machine")
    parser.add_argument("--without-palana", action="store_true", help="the peers only")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the peers' configurations and logs")
    options = parser.parse_args()
    areas = {part for area in options.areas or AREAS for part in (EGRESS if area == "egress" else (area,))}
    if unknown := areas - set(AREAS):
        parser.error(f"there is no benchmark ‘{sorted(unknown)[0]}’: choose from egress, {', '.join(AREAS)}")
    if os.geteuid() != 0:
        raise load.BenchmarkError("the benchmarks make namespaces and sandboxes: run them as root")
    if not options.without_palana:
        release_folder()
    lock = open("/run/palana-bench.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise load.BenchmarkError("another ./bench is running on this machine") from None
    if options.nice:
        machine.prefer(os.getpid(), options.nice)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    folder.chmod(0o711)
    begun = time.monotonic()
    try:
        context = Context(folder, options)
        result = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "quick": options.quick,
            "nice": options.nice, "machine": machine.description(), "versions": versions()}
        result |= measure(context, areas, options.workers or (1, 2))
        result |= {"skipped": context.skipped, "limits": limits(result)}
        for sentence in result["limits"]:
            print(sentence)
        for name, reason in context.skipped.items():
            print(f"skipped: {name}: {reason}")
        print(f"{write(result)} ({time.monotonic() - begun:.0f} s)")
        if "failed" in result:
            raise load.BenchmarkError(f"not everything was measured: {', '.join(result['failed'])}")
    finally:
        machine.PeerNetwork.remove()
        machine.prefer(os.getpid(), 0)
        if options.keep:
            print(f"kept: {folder}")
        elif not (folder / "home" / "run" / "palanad.lock").exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; everything that was started is stopped")
    except (load.BenchmarkError, subprocess.SubprocessError) as error:
        sys.exit(f"error: {error}")
