"""The platform under test: an installation of its own, with its own home, subnet and names, removed at the end."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
from load import BenchmarkError
from peers import ADDRESS, BARE, CHECKED, CREDENTIAL, NAME, NAMES, STREAM, STREAM_ADDRESS

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "plb"
# Room for a thousand agents.
SUBNET = "10.67.0.0/20"
AGENT = "bench"


def release_folder():
    """Where the release build is; raises with what to do when there is none."""
    folder = ROOT / ".build" / "release"
    for name in ("palanad", "pcli"):
        if not os.access(folder / name, os.X_OK):
            raise BenchmarkError(f"there is no release build of {name}: run scripts/build release")
    return folder


class Installation:
    """`with Installation(folder, threads, cores)`: a platform that is up.

    - threads: `egress.threads`
    - cores: what the daemon and everything that it starts may use; nothing for all of them
    - limits: `egress.limits`, by name
    - more: further lines of the configuration
    """

    def __init__(self, folder, threads=None, cores=None, limits=None, more=""):
        self.folder, self.home, self.threads, self.cores = folder, folder / "home", threads, cores
        # The load of a benchmark is a flood: what is measured is how fast the gateway is, not what it permits one agent.
        self.limits = {"newConnectionsPerSecond": 0, "requestsInFlight": 0} if limits is None else limits
        self.more, self.policies = more, 0
        self.program = release_folder() / "pcli"

    def pcli(self, *arguments, check=True, timeout=120):
        """Runs pcli and returns its standard output."""
        result = subprocess.run(
            [str(self.program), "--home", str(self.home), *arguments], capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(("PALANA_", "PCLI_"))})
        if check and result.returncode != 0:
            raise BenchmarkError(f"pcli {' '.join(arguments)} ended with {result.returncode}: {result.stderr.strip()[-600:]}")
        return result.stdout

    def __enter__(self):
        self.home.mkdir(mode=0o700)
        egress = f"\n  threads: {self.threads}" if self.threads else ""
        if self.limits:
            egress += f"\n  limits: {json.dumps(self.limits)}"
        hosts = {NAME: ADDRESS, STREAM: STREAM_ADDRESS, BARE: STREAM_ADDRESS}
        (self.home / "config.yaml").write_text(f"""
home: {self.home}
control: {{listen: ""}}
network: {{subnet: {SUBNET}, prefix: {PREFIX}}}
egress:
  dns: {{hosts: {json.dumps(hosts)}}}
  upstreamCA: ["{self.folder}/ca.pem"]
  allowAddresses: ["{ADDRESS}/32", "{STREAM_ADDRESS}/32"]{egress}
{self.more}""")
        before = os.sched_getaffinity(0)
        try:
            if self.cores:
                os.sched_setaffinity(0, self.cores)
            self.pcli("up", "--config", str(self.home / "config.yaml"))
            machine.prefer(self.daemon(), os.getpriority(os.PRIO_PROCESS, 0))
        except BaseException:
            self.__exit__()
            raise
        finally:
            os.sched_setaffinity(0, before)
        return self

    def __exit__(self, *_):
        try:
            self.pcli("down", check=False)
        except subprocess.TimeoutExpired:
            print("  the platform did not stop within its time", flush=True)
        # What a failed stop leaves: namespaces are mounts below the home.
        for namespace in (self.home / "run" / "netns").glob("*"):
            subprocess.run(["umount", "-l", str(namespace)], capture_output=True)
        if self.daemon(check=False) is None:
            shutil.rmtree(self.home, ignore_errors=True)
        else:
            print(f"  left behind, because its daemon still runs: {self.home}", flush=True)

    def daemon(self, check=True):
        """The daemon's process, or nothing."""
        try:
            pid = int((self.home / "run" / "palanad.lock").read_text().strip() or 0)
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            # A zombie has ended; nobody has collected it yet.
            if Path(f"/proc/{pid}/comm").read_text().strip() == "palanad" and state not in "ZX":
                return pid
        except (OSError, ValueError):
            pass
        if check:
            raise BenchmarkError("the daemon does not run")
        return None

    def start_agent(self, name=AGENT, with_secret=True):
        """An agent that may reach the upstream with a credential that it does not hold, running."""
        self.pcli("create", name, "--template", "shell")
        if with_secret:
            secret = self.folder / "credential"
            secret.touch(mode=0o600)
            secret.write_text(CREDENTIAL)
            try:
                self.pcli("secrets", "add", name, "BENCH", f"token=@{secret}", "--host", NAME, "--host", STREAM)
            finally:
                secret.unlink()
        self.pcli("egress", "allow", name, NAME, "--method", "GET", "--path", "/v1/**")
        for host in (STREAM, BARE, f"*.{NAMES}"):
            self.pcli("egress", "allow", name, host)
        self.pcli("run", name)

    def start_idle_agents(self, names):
        """Agents that only exist: each has rules and a network, and says nothing."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self.pcli("run", name, "--template", "shell"), names))

    def apply_rules(self, count):
        """Policies of so many rules for other hosts, for every agent. One policy has at most 1,000 rules."""
        rules = [{"id": f"r{number}", "host": f"h{number}.rules.bench.test", "methods": ["GET"], "paths": ["/v1/**"]}
                 for number in range(count)]
        policies = [{"apiVersion": "palana.dev/v1alpha1", "kind": "EgressPolicy", "metadata": {"name": f"many-{start // 1000}"},
                     "spec": {"rules": rules[start:start + 1000]}} for start in range(0, count, 1000)]
        file = self.folder / "rules.yaml"
        file.write_text("\n---\n".join(json.dumps(policy) for policy in policies))
        self.pcli("apply", "-f", str(file))
        for number in range(len(policies), self.policies):
            self.pcli("delete", "egresspolicy", f"many-{number}")
        self.policies = len(policies)

    def client_place(self, name=AGENT):
        """What a client needs to speak as the agent: `namespace`, `proxy` (IP:PORT), `auth`, `ca` (a file)."""
        variable = self.pcli("exec", name, "--", "printenv", "HTTPS_PROXY").strip()
        credentials, _, proxy = variable.removeprefix("http://").rstrip("/").rpartition("@")
        if not credentials or not proxy:
            raise BenchmarkError("the agent's HTTPS_PROXY has no token")
        ca = self.folder / "agent-ca.pem"
        ca.write_text(self.pcli("exec", name, "--", "sh", "-c", 'cat "$SSL_CERT_FILE"'))
        found = [path for path in (self.home / "run" / "netns").iterdir() if path.name.rpartition("-")[0] == name]
        if len(found) != 1:
            raise BenchmarkError(f"the network namespace of {name} was not found")
        return {"namespace": str(found[0]), "proxy": proxy, "auth": credentials, "ca": ca}
