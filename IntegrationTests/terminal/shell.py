"""Runs a program on a pseudo-terminal as a person would use it, and prints what happened as JSON.

Usage: shell.py PROGRAM ARGUMENT…   (a shell that knows stty and sleep)
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""


def resize(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def give_up():
    os.kill(child, signal.SIGKILL)
    print(json.dumps({"seen": seen.decode(errors="replace")}))
    sys.exit(1)


def wait_for(pattern):
    """What the pattern's group matched in what came since the last match."""
    global seen
    end = time.monotonic() + 30
    while not (found := re.search(pattern, seen)):
        if time.monotonic() > end or not select.select([terminal], [], [], 30)[0]:
            give_up()
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            give_up()
    seen = seen[found.end():]
    return found.group(1).decode() if found.groups() else ""


def do(line):
    os.write(terminal, line.encode() + b"\n")


# The echo of a line holds the words too: what is waited for is put together by the shell.
result = {}
resize(31, 97)
do("echo re''ady")
wait_for(rb"ready\r")
# The size may arrive after the start of the shell.
def size(rows, columns):
    for _ in range(200):
        do("echo si''ze=$(stty size).")
        found = wait_for(rb"size=([0-9 ]*)\.")
        if found == f"{rows} {columns}":
            break
        time.sleep(0.05)
    return found


result["first"] = size(31, 97)
resize(40, 123)
result["second"] = size(40, 123)
# One job from its first word on: between two commands of a list an interrupt would be the shell's own.
do("sh -c 'echo begi''ns; exec sleep 600'")
wait_for(rb"begins\r")
os.write(terminal, b"\x03")
do("echo co''de=$?.")
result["interrupted"] = wait_for(rb"code=([0-9]*)\.")
do("exit 7")
try:
    while os.read(terminal, 4096):
        pass
except OSError:
    pass
result["code"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(result))
