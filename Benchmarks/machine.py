"""What the benchmarks ask of the machine: its cores, what processes used, and a network namespace for the peers' clients."""

import os
import platform
import re
import subprocess
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
BRIDGE = "plbench0"
NAMESPACE = "plbench"
LINK = "plbench1"
GATEWAY = "10.66.0.1"
CLIENT = "10.66.0.2"


def cores():
    return sorted(os.sched_getaffinity(0))


def split_cores(workers):
    """Cores for the proxy under test, and the others, for the client and the upstream."""
    every = cores()
    if len(every) <= workers:
        return set(every), set(every)
    return set(every[:workers]), set(every[workers:])


def children(pid):
    """A process and everything below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            for child in (task / "children").read_text().split():
                found += children(int(child))
        except OSError:
            continue
    return found


def cpu_seconds(pids):
    """User and system time of processes that live."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total / TICK


def resident_bytes(pids):
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        except OSError:
            continue
    return total


def prefer(pid, niceness):
    """Sets how a process and its session compete for the cores.

    Linux groups processes by session before it looks at niceness, so the session's group must have it too; and every proxy gets a
    session of its own, because a daemon has one: otherwise it would be preferred on a machine that has other work.
    """
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
    except OSError:
        pass  # The kernel does not group.


def ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, capture_output=True)


class PeerNetwork:
    """A bridge with one namespace on a veth: the way from client to proxy is the same as an agent's."""

    def __enter__(self):
        self.remove()
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        ip("netns", "add", NAMESPACE)
        ip("link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
        ip("link", "set", LINK, "master", BRIDGE, "up")
        ip("-n", NAMESPACE, "addr", "add", f"{CLIENT}/24", "dev", "eth0")
        ip("-n", NAMESPACE, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_):
        self.remove()

    @property
    def path(self):
        return f"/run/netns/{NAMESPACE}"

    @staticmethod
    def remove():
        ip("link", "del", LINK, check=False)
        ip("netns", "del", NAMESPACE, check=False)
        ip("link", "del", BRIDGE, check=False)


def version(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "")
    except (OSError, subprocess.TimeoutExpired):
        return "missing"


def description():
    """The machine in words, for the record."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": model.group(1) if model else platform.machine(),
        "cores": len(cores()),
        "memoryGiB": round(int(memory.group(1)) / 1048576, 1) if memory else 0,
        "kernel": platform.release(),
        "loadAverageAtStart": [round(value, 2) for value in os.getloadavg()],
    }
