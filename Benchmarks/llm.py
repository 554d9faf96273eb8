"""The LLM gateway against the LiteLLM proxy, and against none, with the same mocked model on the same cores.

What each does: takes the client's call, knows by whom it is (LiteLLM: by a key, Palana: by the address), puts the provider's key in,
passes the answer on and counts what it used. Palana also holds it against a budget, reserves its cost on disk before, and writes an audit
event with a hash chain after.
"""

import json
import os
import re
import statistics
import subprocess
import time
import urllib.request

import machine
from installation import AGENT, Installation
from load import BenchmarkError
from peers import TOOLS, load_program, start

MODEL = "127.0.66.3"
PORT, LITELLM_PORT = 4180, 4181
KEY = "sk-key-of-the-benchmark"
BUDGET = """
apiVersion: palana.dev/v1alpha1
kind: LLMBudget
metadata: {name: bench}
spec: {scope: {each: agent}, limits: [{window: day, tokens: 900000000000, cost: 900000}], concurrency: 100000}
"""
# A prompt of ordinary size.
PROMPT = "You are an agent that works on a repository. Read what follows, and say what to do next. " * 45


class Contender:
    """Where calls go, from which place, and whose processes are measured."""

    def __init__(self, address, path, namespace, fields, pids):
        self.address, self.path, self.namespace, self.fields, self.pids = address, path, namespace, fields, pids


class Calls:
    """The client, on its cores."""

    def __init__(self, context, cores):
        self.program, self.folder, self.cores = load_program(context.folder, "calls"), context.folder, cores

    def body(self, model, stream, prompt):
        file = self.folder / f"body-{model}-{len(prompt)}-{stream}.json"
        file.write_text(json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 1000,
                                    **({"stream": True} if stream else {})}, separators=(",", ":")))
        return file

    def start(self, contender, model, connections, seconds, *options, stream=False, prompt=PROMPT):
        enter = ["nsenter", f"--net={contender.namespace}"]
        return subprocess.Popen(
            [*enter, str(self.program), contender.address, contender.path, str(self.body(model, stream, prompt)), str(connections),
             str(seconds), *options, *contender.fields],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores))

    def run(self, contender, *arguments, **options):
        before, begun = machine.cpu_seconds(contender.pids()), time.monotonic()
        output, errors = self.start(contender, *arguments, **options).communicate(timeout=arguments[2] + 90)
        if not output:
            raise BenchmarkError("the client failed: " + errors.strip()[-300:])
        result = json.loads(output)
        result["coresUsed"] = round((machine.cpu_seconds(contender.pids()) - before) / (time.monotonic() - begun), 2)
        # Nothing in time is a result too; nothing but errors is none.
        if not result["requests"] and not result["events"] and result["errors"]:
            raise BenchmarkError("no call came through: " + result["error"])
        return result


def litellm(context, cores, workers):
    """The real proxy with the model as its provider, as its documentation sets it up: a master key, no database, no logs."""
    (context.folder / "litellm.yaml").write_text(f"""
model_list:
  - model_name: "*"
    litellm_params: {{model: "openai/*", api_key: {KEY}, api_base: "http://{MODEL}:{PORT}/v1"}}
general_settings: {{master_key: {KEY}}}
litellm_settings: {{telemetry: false}}
""")
    environment = ["env", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_LOG=ERROR", "LITELLM_MODE=PRODUCTION"]
    python = TOOLS / "litellm" / "bin" / "python"
    if not python.exists():
        raise BenchmarkError("LiteLLM is not installed; scripts/setup --bench installs it")
    process = start([*environment, str(python), "-m", "litellm.proxy.proxy_cli", "--config", str(context.folder / "litellm.yaml"),
                     "--host", machine.GATEWAY, "--port", str(LITELLM_PORT), "--num_workers", str(workers), "--telemetry", "False"],
                    context.folder, "litellm", cores)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{machine.GATEWAY}:{LITELLM_PORT}/health/liveliness", timeout=2).read()
            return process
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise BenchmarkError("LiteLLM did not start: " + (context.folder / "litellm.log").read_text()[-300:])


CASES = {
    # name: (model, connections, stream, prompt)
    "one after the other": ("small", 1, False, PROMPT),
    "16 at once": ("small", 16, False, PROMPT),
    "64 at once": ("small", 64, False, PROMPT),
    "64 at once, 256 KiB of prompt": ("small", 64, False, PROMPT * 64),
    "a stream, one after the other": ("stream-20-0", 1, True, PROMPT),
    "500 streams at once": ("stream-200-0", 500, True, PROMPT),
}
# Each event waits for this, so that the streams are open for a while.
HELD = ("stream-3000-100", 1000)


def run(context):
    """Rounds of every case in turns; medians of the rounds."""
    rounds, seconds = (1, 3) if context.quick else (3, 5)
    gateway, others = machine.split_cores(1)
    calls = Calls(context, others)
    processes = [start([str(load_program(context.folder, "model")), f"0.0.0.0:{PORT}", "1"], context.folder, "model", others)]
    rows, memory = {}, {}
    llm = (f'llm: {{routes: {{unified: {{upstream: "http://{MODEL}:{PORT}", style: openai, '
           'credential: {secret: BENCH_MODEL}}}}\n')
    try:
        with machine.PeerNetwork() as network, Installation(context.folder, 1, gateway, more=llm) as installation:
            contenders = {"no gateway": Contender(f"{machine.GATEWAY}:{PORT}", "/v1/chat/completions", network.path, [], list)}
            contenders["palana"] = palana(context, installation)
            try:
                process = litellm(context, gateway, 1)
                processes.append(process)
                contenders["litellm"] = Contender(
                    f"{machine.GATEWAY}:{LITELLM_PORT}", "/v1/chat/completions", network.path, [f"authorization: Bearer {KEY}"],
                    lambda: machine.children(process.pid))
            except BenchmarkError as error:
                context.skip("litellm", str(error))
            # First, since what the other cases took is not given back to the system.
            for who, contender in contenders.items():
                if who != "no gateway":
                    context.say(f"llm: {HELD[1]} streams held, {who}")
                    memory[who] = held(calls, contender)
                    until_idle(contender)
            for number in range(rounds):
                for name, (model, connections, stream, prompt) in CASES.items():
                    for who, contender in contenders.items():
                        context.say(f"llm, round {number + 1} of {rounds}: {name}, {who}")
                        # So many streams need their time to begin.
                        one = calls.run(contender, model, connections, seconds * (4 if connections >= 500 else 1), stream=stream, prompt=prompt)
                        rows.setdefault(name, {}).setdefault(who, []).append(one)
                        # The gateways share a core: the next one's turn begins when this one has nothing left to do.
                        if connections >= 500:
                            until_idle(contender)
            for who, one in memory.items():
                one["afterMiB"] = round(machine.resident_bytes(contenders[who].pids()) / 1048576, 1)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return {"rows": {name: {who: merged(taken) for who, taken in row.items()} for name, row in rows.items()}, "memory": memory,
            "seconds": seconds, "rounds": rounds, "gatewayCores": sorted(gateway), "otherCores": sorted(others)}


def palana(context, installation):
    (context.folder / "budget.yaml").write_text(BUDGET)
    installation.pcli("apply", "-f", str(context.folder / "budget.yaml"))
    installation.pcli("create", AGENT, "--template", "shell")
    credential = context.folder / "model-key"
    credential.touch(mode=0o600)
    credential.write_text(KEY)
    try:
        installation.pcli("secrets", "add", AGENT, "BENCH_MODEL", f"value=@{credential}")
    finally:
        credential.unlink()
    installation.pcli("run", AGENT)
    base = installation.pcli("exec", AGENT, "--", "printenv", "PALANA_LLM_BASE_URL").strip()
    address, path = re.fullmatch(r"http://([^/]+)(/.*)", base).groups()
    place = installation.client_place()
    daemon = installation.daemon()
    return Contender(address, path + "/chat/completions", place["namespace"], [], lambda: [daemon])


def merged(taken):
    """The median of each number of the rounds."""
    result = {key: statistics.median(one[key] for one in taken) for key in taken[0] if key != "error"}
    result["errors"] = sum(one["errors"] for one in taken)
    result["error"] = next((one["error"] for one in taken if one["error"]), "")
    return result


def held(calls, contender):
    """The memory of the processes before, and while a thousand streams are open."""
    model, count = HELD
    before = machine.resident_bytes(contender.pids())
    process = calls.start(contender, model, count, 60, "--hold", stream=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise BenchmarkError("no stream was opened: " + process.stderr.read()[-300:])
        opened = json.loads(line)
        # They go on for a while: what is stored for them would grow.
        time.sleep(5)
        return {**opened, "beforeMiB": round(before / 1048576, 1), "withMiB": round(machine.resident_bytes(contender.pids()) / 1048576, 1)}
    finally:
        process.kill()
        process.communicate()


def until_idle(contender):
    """What was broken off may still be worked on."""
    deadline, before = time.monotonic() + 60, machine.cpu_seconds(contender.pids())
    while time.monotonic() < deadline:
        time.sleep(1)
        now = machine.cpu_seconds(contender.pids())
        if now - before < 0.1:
            return
        before = now
