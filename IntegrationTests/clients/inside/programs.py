"""How the programs of the machine are run: with the agent's environment, in a folder of their own."""

import os
import subprocess
from pathlib import Path

from probe import BODY

WORK = Path(os.environ["HOME"]) / "programs"
WORK.mkdir(exist_ok=True)


def run(*command, **variables):
    """The standard output, or everything that it said when it failed."""
    # A program of the machine does not look into the packages of the tests.
    environment = {name: value for name, value in {**os.environ, **variables}.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=WORK, env=environment, timeout=100, stdin=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout}{done.stderr}"


def body(name):
    """A file with the body."""
    (WORK / name).write_bytes(BODY)
    return name
