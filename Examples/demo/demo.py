"""The guided demo: an agent works against a real HTTPS API without ever holding the credential.

Usage: demo.py prepare HOME   makes the API's certificate authority and, if there is none, the platform's configuration
       demo.py run HOME       runs the demo against the platform that is up

Every line that it prints is read back from the running system, and an expectation that does not hold ends it with exit code 1.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PCLI = str(ROOT / "pcli")
ADDRESS = "127.0.77.1"
HOST = "api.demo.test"
AGENT = "demo"
PLACEHOLDER = "TOKEN_DEMO_API"
CONFIGURATION = """# Made by ./quickstart. Change it as you like, then: pcli down && pcli up
egress:
  dns:
    hosts:
      # The demo's API runs on this machine.
      {host}: "{address}"
      other.demo.test: "{address}"
  upstreamCA: ["{folder}/ca.pem"]
  # Only the demo's own address; every other private address stays out of reach.
  allowAddresses: ["{address}/32"]
"""


class Failed(Exception):
    """An expectation that does not hold."""


def say(what, value=""):
    tty = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    mark = "\x1b[32m✓\x1b[0m" if tty else "ok:"
    print(f"  {mark} {what}" + (f"\n      {value}" if value else ""), flush=True)


def expect(condition, what, found=""):
    if not condition:
        raise Failed(f"{what}; found: {found}" if found != "" else what)


def run(*arguments, check=True, text=None, timeout=60):
    """Runs pcli; returns its standard output. Checks the exit code unless told otherwise."""
    result = subprocess.run(
        [PCLI, *arguments], input=text, capture_output=True, text=True, timeout=timeout)
    if check and result.returncode != 0:
        raise Failed(f"pcli {' '.join(arguments)} ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout if check else result


def inside(code):
    """Runs Python inside the sandbox and returns what it printed."""
    return run("exec", AGENT, "--", "python3", "-c", code)


def openssl(*arguments):
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    expect(result.returncode == 0, "openssl " + arguments[0], result.stderr)


def prepare(home):
    folder = home / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "server.pem").exists():
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"), "-subj", "/CN=Demo API authority",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", str(folder / "server.key"), "-out", str(folder / "server.csr"), "-subj", f"/CN={HOST}")
        (folder / "extensions").write_text(
            f"subjectAltName=DNS:{HOST},DNS:other.demo.test\nextendedKeyUsage=serverAuth\n"
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n")
        openssl("x509", "-req", "-in", str(folder / "server.csr"), "-CA", str(folder / "ca.pem"),
                "-CAkey", str(folder / "ca.key"), "-CAcreateserial", "-days", "825",
                "-extfile", str(folder / "extensions"), "-out", str(folder / "server.pem"))
    configuration = home / "config.yaml"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION.format(host=HOST, address=ADDRESS, folder=folder))


def start_upstream(folder):
    """Starts the API and returns its process and the credential that it accepts: fresh for each demo."""
    credential = "canary-" + secrets.token_hex(20)
    (folder / "credential").touch(mode=0o600)
    (folder / "credential").write_text(credential)
    for name in ("ready", "received.jsonl"):
        (folder / name).unlink(missing_ok=True)
    with open(folder / "upstream.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("upstream.py")), str(folder), ADDRESS, "443"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    for _ in range(200):
        if (folder / "ready").exists():
            return process, credential
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise Failed(f"the demo's API did not start: {(folder / 'upstream.log').read_text()[-500:]}")


def processes_of(agent_id):
    """The processes of a sandbox as this machine sees them, by their control group (`/palana/AGENT`: another installation's has another
    first part)."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if f"/palana/{agent_id}" in (folder / "cgroup").read_text():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def memory_holds(pid, needle):
    """Whether the memory of a process holds some bytes: read from outside, as root."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r.* (\[v\w+\])?", line)
                if not match or "[v" in line:
                    continue
                start, end = int(match.group(1), 16), int(match.group(2), 16)
                if end - start > 1 << 30:
                    continue
                try:
                    memory.seek(start)
                    if needle in memory.read(end - start):
                        return True
                except OSError:
                    continue
    except OSError:
        pass
    return False


def demo(home):
    folder = home / "demo"
    present = run("get", "agents", AGENT, "-o", "json", check=False)
    if present.returncode == 0:
        run("unkill", AGENT, "--reason", "the demo begins anew", check=False)
        run("delete", AGENT, "--purge")
    upstream, credential = start_upstream(folder)
    try:
        steps(folder, credential)
    finally:
        upstream.terminate()
        upstream.wait()
        (folder / "credential").unlink(missing_ok=True)


def steps(folder, credential):
    time.sleep(1.1)  # the text below has whole seconds: what an earlier demo did lies wholly before it
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    run("create", AGENT, "--template", "python")
    (folder / "secret").touch(mode=0o600)
    (folder / "secret").write_text(credential)
    try:
        run("secrets", "add", AGENT, "DEMO_API", f"token=@{folder / 'secret'}", "--host", HOST)
    finally:
        (folder / "secret").unlink()
    run("egress", "allow", AGENT, HOST)
    started = time.monotonic()
    run("run", AGENT)
    agent = json.loads(run("get", "agents", AGENT, "-o", "json"))
    expect(agent["status"]["phase"] == "Running", "the agent runs", agent["status"]["phase"])
    say(f"agent ‘{AGENT}’ runs at {agent['status']['address']}, {1000 * (time.monotonic() - started):.0f} ms after the command")

    # The agent loop, for real: it plans with the API, calls tools, writes notes.
    run("cp", str(Path(__file__).with_name("agent.py")), f"{AGENT}:/data/agent.py")
    output = run("exec", AGENT, "--", "python3", "/data/agent.py")
    expect("credentialAccepted" in output, "the API accepted the agent's call", output[-800:])
    done = [line for line in output.splitlines() if line.startswith("done:")]
    expect(done, "the agent reached its goal", output[-800:])
    say("it planned, called its API over HTTPS and wrote notes", done[0])

    environment = inside("import os; print(os.environ.get('DEMO_API'))").strip()
    expect(environment == PLACEHOLDER, "its environment holds the placeholder", environment)
    started_events = [json.loads(line) for line in run("audit", "--agent", AGENT, "--since", began, "--component", "lifecycle", "-o", "json").splitlines()]
    agent_id = started_events[-1]["agent"]["id"]
    pids = processes_of(agent_id)
    expect(pids, "the sandbox has processes")
    expect(not any(memory_holds(pid, credential.encode()) for pid in pids), "no memory of it holds the credential")
    seen = inside("import os,sys\nfor top in ('/data','/run','/tmp','/etc'):\n for d,_,fs in os.walk(top):\n  for f in fs:\n"
                  f"   p=os.path.join(d,f)\n   try:\n    b=open(p,'rb').read(1<<20)\n   except OSError: continue\n"
                  "   if b'canary-' in b: print(p)")
    expect(seen.strip() == "", "no file of it holds the credential", seen)
    say(f"its environment says DEMO_API={environment}; memory of {len(pids)} processes and its files do not hold the credential")

    received = [json.loads(line) for line in (folder / "received.jsonl").read_text().splitlines()]
    authorizations = {value for entry in received for name, value in entry["headers"] if name.lower() == "authorization"}
    expect(authorizations == {"Bearer " + credential}, "the API received the real credential, and only it", authorizations)
    say(f"the API received the real credential in all {len(received)} requests")

    for needle, what in (("host_not_allowed", "a host that no rule names"),
                         ("169.254.169.254", "the metadata address")):
        refused = [line for line in output.splitlines() if line.startswith("outcome:") and "403" in line]
        expect(refused, f"{what} is refused", output[-800:])
    events = [json.loads(line) for line in run("audit", "--agent", AGENT, "--since", began, "--limit", "500", "-o", "json").splitlines()]
    def denied(host):
        return next((e for e in events if e["decision"] == "deny" and e.get("request", {}).get("host") == host), None)
    for host in ("other.demo.test", "169.254.169.254"):
        event = denied(host)
        expect(event, f"{host} was refused and recorded")
        say(f"{host} was refused: {event['reason']}")
    raw = re.search(r'outcome: (\{"connected".*\})', output)
    expect(raw and json.loads(raw.group(1))["connected"] is False, "a raw socket goes nowhere", output[-800:])
    say("a raw socket to 192.0.2.7:443 had no way out: " + json.loads(raw.group(1))["error"])

    allowed = [e for e in events if e["component"] == "egress" and e["decision"] == "allow"]
    expect(len(allowed) == len(received), "each request has one event", f"{len(allowed)} events, {len(received)} requests")
    expect(all("DEMO_API" in e.get("secrets", []) for e in allowed), "each event names the secret that was used")
    expect(credential not in json.dumps(events), "no event holds the credential")
    run("audit", "verify")
    last = allowed[-1]
    say(f"the audit trail has {len(events)} events of this agent, and its chain holds; for example",
        f"{last['time']} {last['request']['method']} {last['request']['host']}{last['request']['path']} → "
        f"{last['response']['status']}, secrets {','.join(last['secrets'])}, rule {last.get('rule')}")

    notes = inside("print(open('/data/notes.jsonl').read(), end='')")
    run("stop", AGENT)
    phase = json.loads(run("get", "agents", AGENT, "-o", "json"))["status"]["phase"]
    expect(phase == "Stopped", "it stops", phase)
    run("resume", AGENT)
    expect(inside("print(open('/data/notes.jsonl').read(), end='')") == notes, "/data is as it was")
    say(f"stopped and resumed: /data still holds its {len(notes.splitlines())} notes")

    report = json.loads(run("kill", AGENT, "--reason", "the demo ends", "-o", "json"))
    phase = json.loads(run("get", "agents", AGENT, "-o", "json"))["status"]["phase"]
    expect(phase == "Killed", "it is killed", phase)
    planes = ", ".join(f"{p['name']} {p['milliseconds']:.1f} ms" for p in report["planes"])
    say(f"killed from outside in {report['totalMilliseconds']:.1f} ms ({planes}); its state is {phase}")
    expect(not processes_of(agent_id), "no process of it is left", processes_of(agent_id))
    run("unkill", AGENT, "--reason", "the demo is over")
    run("stop", AGENT)


def main():
    action, home = sys.argv[1], Path(sys.argv[2])
    try:
        if action == "prepare":
            prepare(home)
        else:
            demo(home)
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"the demo failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
