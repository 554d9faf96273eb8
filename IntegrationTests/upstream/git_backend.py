"""Repositories under /git/OWNER/NAME.git, served by git's own http-backend as a CGI program, behind Basic authentication.

The repositories lie in FOLDER/repos; the password stands in FOLDER/git-password, the user name may be any.
"""

import base64
import os
import subprocess

BACKEND = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip() + "/git-http-backend"


def is_authorised(folder, headers):
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        password = base64.b64decode(credential).decode().partition(":")[2]
    except ValueError:
        return False
    return password == (folder / "git-password").read_text()


def serve(handler, folder, body):
    if not is_authorised(folder, handler.headers):
        handler.send_response(401)
        handler.send_header("www-authenticate", 'Basic realm="git"')
        handler.send_header("content-length", "0")
        handler.end_headers()
        return
    path, _, query = handler.path.partition("?")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_PROJECT_ROOT": str(folder / "repos"), "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1", "REQUEST_METHOD": handler.command, "PATH_INFO": path.removeprefix("/git"), "QUERY_STRING": query,
        "CONTENT_TYPE": handler.headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body)), "REMOTE_USER": "agent",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_CONTENT_ENCODING": handler.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("git-protocol", ""),
    }
    answer = subprocess.run([BACKEND], input=body, env=environment, capture_output=True, check=False).stdout
    head, _, contents = answer.partition(b"\r\n\r\n")
    fields = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
    status = next((int(value.split()[0]) for name, value in fields if name.lower() == "status"), 200)
    handler.send_response(status)
    for name, value in fields:
        if name.lower() != "status":
            handler.send_header(name, value)
    handler.send_header("content-length", str(len(contents)))
    handler.end_headers()
    handler.wfile.write(contents)
