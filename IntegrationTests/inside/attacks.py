"""Runs inside a sandbox: tries what an agent must not be able to do and prints a line `NAME OUTCOME` for each: `done`, or the name of
the error."""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def write(path, text=b"1"):
    with open(path, "wb", 0) as file:
        file.write(text)


def sockopt(level, name, value, kind=socket.SOCK_STREAM):
    socket.socket(socket.AF_INET, kind).setsockopt(level, name, value)


def send(address, *options):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in options:
        sender.setsockopt(*option)
    sender.sendto(b"x", address)


def bind_freely(address):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(0, 15, 1)
    sender.bind((address, 5000))
    sender.sendto(b"x", (GATEWAY, 3128))


def route(message, body):
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    link.bind((0, 0))
    link.send(struct.pack("IHHII", 16 + len(body), message, 0x605, 1, 0) + body)
    raise OSError(-struct.unpack_from("i", link.recv(4096), 16)[0], "")


def control(request, argument=0):
    fcntl.ioctl(os.open("/data", os.O_RDONLY), request, argument)


def through_link(host, port):
    link = socket.socket()
    link.settimeout(0.3)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
    link.connect((host, port))


def other_architecture():
    code = subprocess.run(["/usr/bin/python3", "-c", "import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)"], check=False).returncode
    raise OSError(errno.EPERM if code < 0 else 0, "")


def see_others():
    mine = {entry for entry in os.listdir("/proc") if entry.isdigit()}
    if len(mine) < 20 and not os.path.exists("/sys/class"):
        raise OSError(errno.ENOENT, "")


GATEWAY = os.environ["HTTPS_PROXY"].rsplit("@", 1)[-1].split(":")[0]
INDEX = socket.if_nametoindex("eth0")
NEIGHBOUR = (struct.pack("BBHiHBB", 2, 0, 0, INDEX, 0x80, 0, 0) + struct.pack("HH4s", 8, 1, socket.inet_aton(GATEWAY))
             + struct.pack("HH6sH", 10, 2, b"\2\0\0\0\0\1", 0))
ROUTE = struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 4, 0, 1, 0) + struct.pack("HH4s", 8, 5, socket.inet_aton(GATEWAY))

ATTEMPTS = {
    "user-0": lambda: os.setuid(0),
    "groups": lambda: os.setgroups([0]),
    "map-ids": lambda: write("/proc/self/uid_map", b"0 0 1"),
    "core-pattern": lambda: write("/proc/sys/kernel/core_pattern"),
    "forward": lambda: write("/proc/sys/net/ipv4/ip_forward"),
    "namespaces-sysctl": lambda: write("/proc/sys/user/max_user_namespaces"),
    "sysrq": lambda: write("/proc/sysrq-trigger", b"h"),
    "oom-score": lambda: write("/proc/self/oom_score_adj", b"-1000"),
    "init-memory": lambda: write("/proc/1/mem"),
    "init-ptrace": lambda: call(101, 16, 1, 0, 0),
    "namespace": lambda: call(272, 0x10000000),
    "namespace-clone": lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": lambda: call(435, None, 0),
    "mount": lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": lambda: call(166, b"/proc/sys", 0),
    "chroot": lambda: os.chroot("/data"),
    "bpf": lambda: call(321, 0, None, 0),
    "io-uring": lambda: call(425, 8, None),
    "aio": lambda: call(206, 8, ctypes.byref(ctypes.c_ulong(0))),
    "keyctl": lambda: call(250, 0, -3, 0),
    "userfaultfd": lambda: call(323, 0),
    "file-handle": lambda: call(304, -1, None, 0),
    "other-abi": other_architecture,
    "device": lambda: os.mknod("/data/disk", stat.S_IFBLK | 0o666, os.makedev(254, 0)),
    "freeze-disk": lambda: control(0xC0045877),
    "stop-disk": lambda: control(0x8004587D, struct.pack("I", 2)),
    "grow-disk": lambda: control(0x40086610, struct.pack("Q", 1 << 30)),
    "file-capability": lambda: os.setxattr("/data", "security.capability", struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0, 0)),
    "real-time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10)),
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM),
    "kernel-crypto": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
    "netfilter": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12),
    "route": lambda: route(24, ROUTE),
    "neighbour": lambda: route(28, NEIGHBOUR),
    "mark": lambda: sockopt(socket.SOL_SOCKET, 36, 1),
    "transparent": lambda: sockopt(0, 19, 1),
    "source-route": lambda: sockopt(0, 4, b"\x83\x07\x04" + socket.inet_aton(GATEWAY) + b"\0"),
    "spoof": lambda: bind_freely("192.0.2.9"),
    "broadcast": lambda: send(("255.255.255.255", 67), (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)),
    "link-local-6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("fe80::1", 9, 0, INDEX)),
    "host-loopback": lambda: through_link("127.0.0.1", 3128),
    "others": see_others,
}


def outcome(attempt):
    try:
        attempt()
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as failure:
        return errno.errorcode.get(failure.errno, "done")
    return "done"


for name, attempt in ATTEMPTS.items():
    print(name, outcome(attempt), flush=True)
