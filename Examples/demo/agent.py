"""A small agent: it asks a planner what to do next, does it, tells the planner what came of it, until the goal is reached.

It runs inside a Palana sandbox with nothing but Python's standard library. Its credential is whatever stands in DEMO_API:
a placeholder, which the gateway turns into the real one on the way out. It never learns the real one, and need not.
"""

import json
import os
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request

API = os.environ.get("DEMO_API_URL", "https://api.demo.test")
CREDENTIAL = os.environ.get("DEMO_API", "")
NOTES = "/data/notes.jsonl"
MOST_STEPS = 20


def call(method, url, body=None, credential=True):
    """One HTTPS call; returns the status and the decoded answer, also for a refusal."""
    request = urllib.request.Request(url, method=method)
    request.add_header("content-type", "application/json")
    if credential:
        request.add_header("authorization", "Bearer " + CREDENTIAL)
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, data=data, timeout=20, context=ssl.create_default_context()) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode(errors="replace")
        try:
            return refusal.code, json.loads(text)
        except ValueError:
            return refusal.code, {"text": text[:500]}
    except OSError as error:
        # A refused CONNECT reaches urllib as an OSError: «Tunnel connection failed: 403 Forbidden».
        return 0, {"error": str(error)}


def http_get(url):
    status, answer = call("GET", url, credential=url.startswith(API))
    return {"status": status, "answer": answer}


def raw_socket(host, port):
    """Tries to get out without the gateway, as a misled agent would."""
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return {"connected": True}
    except OSError as error:
        return {"connected": False, "error": str(error)}


def write_note(text):
    with open(NOTES, "a", encoding="utf-8") as notes:
        notes.write(json.dumps({"time": time.time(), "note": text}) + "\n")
        notes.flush()
        os.fsync(notes.fileno())
    return {"written": len(text)}


def count_notes():
    try:
        with open(NOTES, encoding="utf-8") as notes:
            return {"notes": sum(1 for _ in notes)}
    except FileNotFoundError:
        return {"notes": 0}


TOOLS = {"http_get": http_get, "raw_socket": raw_socket, "write_note": write_note, "count_notes": count_notes}


def main():
    goal = " ".join(sys.argv[1:]) or "find out who I am to the API, keep a note, and report what is out of reach"
    history = []
    print(f"goal: {goal}", flush=True)
    for _ in range(MOST_STEPS):
        status, plan = call("POST", API + "/v1/plan", {"goal": goal, "history": history})
        if status != 200:
            print(f"the planner answered {status}: {json.dumps(plan)}", flush=True)
            return 1
        if plan.get("done"):
            print(f"done: {plan['summary']}", flush=True)
            return 0
        tool, arguments = plan["tool"], plan.get("arguments", {})
        print(f"step: {tool} {json.dumps(arguments)}", flush=True)
        if tool not in TOOLS:
            outcome = {"error": f"there is no tool {tool}"}
        else:
            try:
                outcome = TOOLS[tool](**arguments)
            except Exception as error:  # a tool that fails is news for the planner, not the end of the agent
                outcome = {"error": repr(error)}
        print(f"outcome: {json.dumps(outcome)[:600]}", flush=True)
        history.append({"tool": tool, "arguments": arguments, "outcome": outcome})
    print("gave up: too many steps", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
