"""How fast a sandbox starts: Palana end to end, against podman, plain crun and a bare process."""

import json
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from installation import Installation
from load import BenchmarkError

# The command prints the wall clock as its first act; the same program everywhere, from the machine's own /usr.
STAMP = ["date", "+%s%N"]
# On a machine with cgroup v1 beside v2, crun refuses because of the controllers on v2: it must not see them.
HYBRID = Path("/sys/fs/cgroup/unified")


def hidden_unified(command):
    if not HYBRID.exists():
        return command
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", 'umount "$0" && exec "$@"', str(HYBRID), *command]


def once(command, **options):
    """Runs a command that prints the stamp: milliseconds to the stamp and to the command's end."""
    start, clock = time.time_ns(), time.perf_counter_ns()
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **options)
    ended = (time.perf_counter_ns() - clock) / 1e6
    lines = result.stdout.split()
    if result.returncode != 0 or not lines or not lines[-1].isdigit():
        raise BenchmarkError((result.stderr.strip() or result.stdout.strip() or f"exit {result.returncode}")[-300:])
    return {"first": (int(lines[-1]) - start) / 1e6, "end": ended}


def rootfs(folder):
    """A root folder that shows the machine's /usr."""
    root = folder / "rootfs"
    for name in ("usr", "proc", "sys", "dev", "tmp", "etc", "run", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    return root


def crun(folder):
    """Plain crun: its own example specification, without terminal and with /usr."""
    bundle = folder / "bundle"
    bundle.mkdir()
    subprocess.run(["crun", "spec"], cwd=bundle, check=True, capture_output=True)
    specification = json.loads((bundle / "config.json").read_text())
    specification["root"] = {"path": str(rootfs(bundle)), "readonly": True}
    specification["process"] |= {"terminal": False, "args": STAMP}
    specification["mounts"].append({"destination": "/usr", "source": "/usr", "type": "bind", "options": ["rbind", "ro"]})
    (bundle / "config.json").write_text(json.dumps(specification))
    return lambda number: once(hidden_unified(["crun", "run", "--bundle", str(bundle), f"plbench-{number}"]))


def podman(folder):
    """podman without a network, which spares it work that Palana does."""
    if not shutil.which("podman"):
        raise BenchmarkError("podman is not installed; scripts/setup --bench installs it")
    root = rootfs(folder / "podman")
    command = ["podman", "--runtime", "crun", "--cgroup-manager", "cgroupfs", "--root", str(folder / "podman" / "storage"),
               "--runroot", str(folder / "podman" / "run"), "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
               "--ulimit", "nproc=1024:1024", "-v", "/usr:/usr:ro", "--rootfs", str(root), *STAMP]
    return lambda _: once(hidden_unified(command))


def palana_new(installation):
    """`pcli run NAME --wait` of an agent that does not exist yet."""
    def sample(number):
        return palana_run(installation, f"fresh{number}")
    return sample


def palana_again(installation):
    """`pcli run NAME --wait` of an agent that ran before and has its storage."""
    palana_run(installation, "again")
    return lambda _: palana_run(installation, "again")


def palana_run(installation, name):
    start, clock = time.time_ns(), time.perf_counter_ns()
    installation.pcli("run", name, "--wait", "--", *STAMP)
    ended = (time.perf_counter_ns() - clock) / 1e6
    lines = [line for line in installation.pcli("logs", name).split() if line.isdigit()]
    if not lines or int(lines[-1]) < start:
        raise BenchmarkError("the agent's log does not hold its stamp")
    return {"first": (int(lines[-1]) - start) / 1e6, "end": ended}


def client_alone(installation):
    """What pcli itself costs: a command that only asks the daemon something."""
    def sample(_):
        clock = time.perf_counter_ns()
        installation.pcli("whoami")
        return {"first": 0, "end": (time.perf_counter_ns() - clock) / 1e6}
    return sample


def run(context):
    """Samples of each, interleaved; medians and the 95th percentile in milliseconds."""
    count = 10 if context.quick else 30
    folder = context.folder / "start"
    folder.mkdir()
    with Installation(context.folder) as installation:
        samplers = {}
        for name, make in {
            "process": lambda: lambda _: once(STAMP), "crun": lambda: crun(folder), "podman": lambda: podman(folder),
            "palana": lambda: palana_again(installation), "palana, new agent": lambda: palana_new(installation),
            "pcli alone": lambda: client_alone(installation),
        }.items():
            try:
                sampler = make()
                sampler("warm")
                samplers[name] = sampler
            except (BenchmarkError, OSError, subprocess.SubprocessError) as error:
                context.skip(name, str(error))
        samples = {name: [] for name in samplers}
        for number in range(count):
            context.say(f"start, round {number + 1} of {count}")
            for name, sampler in samplers.items():
                samples[name].append(sampler(number))
    rows = {}
    for name, taken in samples.items():
        first, end = sorted(one["first"] for one in taken), sorted(one["end"] for one in taken)
        rows[name] = {
            "samples": len(taken), "firstMs": round(statistics.median(first), 2), "endMs": round(statistics.median(end), 2),
            "endP95Ms": round(end[min(len(end) - 1, int(len(end) * 0.95))], 2)}
    return {"rows": rows}
