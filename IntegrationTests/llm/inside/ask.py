"""Runs inside of an agent: sends what a JSON list on standard input says, byte for byte, to the LLM gateway, one connection each, and
writes what came back as a JSON list.

An item: {"send": TEXT (latin-1), "repeat": N (of "fill"), "fill": TEXT, "slow": bytes that are read at a time, "limit": bytes that are
read, "from": source address}. Without "send": {"path", "body", "fields": [[NAME, VALUE]…]} as one well-formed POST. All go out at the
same time when the first argument is `together`. An answer: {"status", "fields", "body", "how"}; how is `whole`, `closed`, `reset`, `left`.
"""

import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

GATEWAY = urlsplit(os.environ["PALANA_LLM_BASE_URL"])


def written(item):
    if "send" in item:
        return item["send"].encode("latin-1")
    body = item.get("body", "").encode()
    fields = [["host", GATEWAY.netloc], ["content-type", "application/json"], ["content-length", str(len(body))], *item.get("fields", [])]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{item.get('method', 'POST')} {item['path']} HTTP/1.1\r\n{head}\r\n".encode() + body


def ask(item):
    got, how = b"", "closed"
    source = (item["from"], 0) if "from" in item else None
    try:
        with socket.create_connection((GATEWAY.hostname, GATEWAY.port), 30, source) as connection:
            if item.get("slow"):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                connection.sendall(written(item))
                for _ in range(item.get("repeat", 0)):
                    connection.sendall(item["fill"].encode("latin-1"))
            except OSError:
                pass  # Refused before it was whole: the answer is there all the same.
            while not is_whole(got):
                if len(got) >= item.get("limit", 1 << 26):
                    how = "left"
                    break
                part = connection.recv(item.get("slow", 65_536))
                if not part:
                    break
                got += part
            else:
                how = "whole"
    except OSError as error:
        how = "reset" if isinstance(error, ConnectionResetError) else str(error)
    return {"how": how, **taken_apart(got)}


def split(got):
    head, separator, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return (lines[0], fields, body) if separator else None


def is_whole(got):
    parts = split(got)
    if parts is None:
        return False
    line, fields, body = parts
    if " 100 " in line:
        return False
    if "content-length" in fields:
        return len(body) >= int(fields["content-length"])
    return fields.get("transfer-encoding") == "chunked" and body.endswith(b"0\r\n\r\n")


def taken_apart(got):
    parts = split(got)
    if parts is None:
        return {"status": 0, "fields": {}, "body": got.decode("latin-1")}
    line, fields, body = parts
    if fields.get("transfer-encoding") == "chunked":
        plain = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            length = int(size or b"0", 16)
            plain, body = plain + rest[:length], rest[length + 2:]
        body = plain
    return {"status": int(line.split(" ")[1]), "fields": fields, "body": body.decode(errors="replace")[:200_000]}


items = json.load(sys.stdin)
if sys.argv[1:] == ["together"]:
    with ThreadPoolExecutor(len(items)) as pool:
        print(json.dumps(list(pool.map(ask, items))))
else:
    print(json.dumps([ask(item) for item in items]))
