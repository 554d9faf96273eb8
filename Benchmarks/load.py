"""The load generator `load/`, run inside a network namespace; its results as dictionaries."""

import json
import os
import subprocess
from pathlib import Path

import machine
from peers import NAME, PLACEHOLDER


class BenchmarkError(Exception):
    """Something that the benchmark needs did not work; one sentence."""


def build(folder):
    """Compiles the load generator and returns its path."""
    sources = sorted(str(path) for path in Path(__file__).with_name("load").glob("*.c"))
    target = folder / "load"
    for compiler in ("cc", "clang", "gcc"):
        try:
            done = subprocess.run([compiler, "-O2", "-o", str(target), *sources, "-lssl", "-lcrypto", "-lpthread"],
                                  capture_output=True, text=True)
        except FileNotFoundError:
            continue
        if done.returncode != 0:
            raise BenchmarkError("the load generator does not compile (is libssl-dev there?): " + done.stderr.strip()[-400:])
        return target
    raise BenchmarkError("there is no C compiler: run scripts/setup --bench")


class Load:
    """One client place: a namespace, the proxy that it speaks to, the authority that it trusts.

    - path: the request's path
    - auth: `user:password` for the proxy, or nothing
    - direct: whether `proxy` is the upstream itself
    - name, header: of the requests
    - niceness: of the client, to measure one that competes with another
    """

    def __init__(self, program, namespace, proxy, ca, path, cores, auth="", direct=False, name=NAME,
                 header=f"Authorization: Bearer {PLACEHOLDER}", niceness=None):
        self.program, self.namespace, self.cores, self.auth, self.niceness = program, namespace, cores, auth, niceness
        self.options = ["--direct" if direct else "--proxy", proxy, "--authority", f"{name}:443", "--ca", str(ca),
                        "--header", header, "--path", path]

    def start(self, *options):
        enter = ["nsenter", f"--net={self.namespace}"] if self.namespace else []

        def prepare():
            os.sched_setaffinity(0, self.cores)
            if self.niceness is not None:
                machine.prefer(os.getpid(), self.niceness)

        return subprocess.Popen(
            [*enter, str(self.program), *self.options, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "LOAD_AUTH": self.auth} if self.auth else None, preexec_fn=prepare,
            start_new_session=self.niceness is not None)

    def run(self, connections, seconds, *options):
        """Loads for some seconds; the numbers of `load`. Raises when nothing came through."""
        process = self.start("--connections", str(connections), "--seconds", str(seconds), *options)
        try:
            # An answer that never comes ends after 30 s inside; more than that is a hang.
            output, errors = process.communicate(timeout=seconds + 90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BenchmarkError("the load generator hangs") from None
        if not output:
            raise BenchmarkError("the load generator failed: " + errors.strip()[-400:])
        result = json.loads(output)
        if not result["requests"]:
            raise BenchmarkError("no request came through: " + result["error"])
        return result


class IdleTunnels:
    """Open tunnels that do nothing, while the block runs."""

    def __init__(self, load, count, seconds):
        self.process = load.start("--connections", str(count), "--seconds", str(seconds), "--idle")

    def __enter__(self):
        line = self.process.stdout.readline()
        if not line:
            self.__exit__()
            raise BenchmarkError("no tunnel was opened: " + self.process.stderr.read().strip()[-400:])
        self.opened = json.loads(line)
        return self

    def closed(self):
        """Waits until the last one was closed from the other side, or the time is over."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"closed": 0, "first_us": 0, "last_us": 0}

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
