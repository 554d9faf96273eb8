"""The operator at scale, against a local API server with its controllers on the same cores.

What is measured is Palana's and the server's together: both use the same processors.
"""

import os
import statistics
import time
from collections import Counter

from cluster import AGENTS, LEASES, Cluster, Operator

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
GOALS = {"seconds": 60, "writes": 0, "mebibytes": 200}


def is_there():
    assets = os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin"
    return all(os.access(f"{assets}/{name}", os.X_OK) for name in ("etcd", "kube-apiserver", "kube-controller-manager"))


def grow(context, cluster, operator, first, last):
    """Makes agents and waits until everything of them is there."""
    start, used, others = time.monotonic(), operator.seconds(), cluster.seconds()
    cluster.add(range(first, last))
    made = told = time.monotonic()

    def done():
        nonlocal told
        count = cluster.applied()
        if count >= last or time.monotonic() - told >= 5:
            told = time.monotonic()
            context.say(f"kubernetes: {count} of {last} agents are ready after {told - start:.0f} s")
        return count >= last
    Cluster.until(f"{last} agents are ready", done, seconds=3600, pause=0.25)
    took = time.monotonic() - start
    return {"agents": last - first, "seconds": round(took, 1), "secondsToAsk": round(made - start, 1),
            "perSecond": round((last - first) / took, 1), "operatorCpuMsEach": round((operator.seconds() - used) * 1000 / (last - first), 2),
            "serverCpuMsEach": round((cluster.seconds() - others) * 1000 / (last - first), 2)}


def asked(cluster, start, end, agents):
    """What the operator asked for between two places of the log, for each agent."""
    counts = Counter()
    for verb, resource, subresource, _, _ in cluster.requests(start, end):
        if resource != "leases" and verb not in ("watch", "list"):
            counts[f"{verb} {resource}" + (f"/{subresource}" if subresource else "")] += 1
    return {"each": round(sum(counts.values()) / agents, 1),
            "writesEach": round(sum(count for name, count in counts.items() if name.split()[0] in WRITES) / agents, 1),
            "byKind": {name: round(count / agents, 2) for name, count in counts.most_common()}}


def change(cluster, number, rounds):
    """Milliseconds from a wish to the workload, and from somebody's edit of a policy to its repair."""
    home = cluster.home(number)
    agent = f"{AGENTS}/namespaces/people-{number // 100}/agents/a{number}"
    workload = f"/apis/apps/v1/namespaces/{home}/statefulsets/agent"
    policy = f"/apis/networking.k8s.io/v1/namespaces/{home}/networkpolicies/paths"
    wanted = cluster.get(policy)["spec"]
    changes, repairs = [], []
    for number_of_round in range(rounds):
        image = f"example.com/agent:{number_of_round + 2}"
        start = time.monotonic()
        cluster.merge(agent, {"spec": {"image": image}})
        Cluster.until("the workload has changed",
                      lambda: cluster.get(workload)["spec"]["template"]["spec"]["containers"][0]["image"] == image, 60, 0.002)
        changes.append((time.monotonic() - start) * 1000)
        start = time.monotonic()
        cluster.merge(policy, {"spec": {"egress": [{}]}})
        Cluster.until("the policy is as it was", lambda: cluster.get(policy)["spec"] == wanted, 60, 0.002)
        repairs.append((time.monotonic() - start) * 1000)
    return {name: {"medianMs": round(statistics.median(taken), 1), "worstMs": round(max(taken), 1)}
            for name, taken in (("change", changes), ("repair", repairs))}


def restart(context, cluster, count):
    """An operator that finds everything as it is wanted: when it has looked at all, and what it wrote."""
    context.say("kubernetes: restart")
    begin = cluster.place()
    start = time.monotonic()
    operator = Operator(cluster)
    known = time.monotonic() - start
    # Its turn comes after all that were there.
    cluster.add([count])
    Cluster.until("a new agent is ready", lambda: cluster.applied() > count)
    looked = time.monotonic() - start
    home = cluster.home(count)
    writes = Counter(
        (verb, resource) for verb, resource, _, namespace, name in cluster.requests(begin, cluster.place())
        if verb in WRITES and resource not in LEASES and home not in (namespace, name) and name != f"a{count}")
    return {"agents": count, "secondsToKnow": round(known, 1), "secondsToLookAtAll": round(looked, 1), "writes": sum(writes.values()),
            "writesByKind": {" ".join(what): number for what, number in writes.items()}, "memoryMiB": operator.memory()[0],
            "mostMemoryMiB": operator.memory()[1], "cpuSeconds": round(operator.seconds(), 2)}


def run(context):
    few, many, rounds = (100, 200, 3) if context.quick else (1000, 5000, 10)
    result = {"goals": GOALS, "memoryMiB": {}}
    # A server alone: the rest of a cluster has processors of its own, which this machine has not.
    with Cluster(made(context, "alone"), with_controllers=False) as cluster:
        operator = Operator(cluster)
        begin = cluster.place()
        result["alone"] = grow(context, cluster, operator, 0, few)
        result["requests"] = asked(cluster, begin, cluster.place(), few)
    with Cluster(made(context, "whole")) as cluster:
        operator = Operator(cluster)
        result["nothingToReady"] = grow(context, cluster, operator, 0, few)
        result["memoryMiB"][str(few)] = operator.memory()
        result["more"] = grow(context, cluster, operator, few, many)
        result["memoryMiB"][str(many)] = operator.memory()
        context.say(f"kubernetes: changes among {many} agents")
        result["among"] = {"agents": many} | change(cluster, many // 2, rounds)
        operator.stop()
        result["restart"] = restart(context, cluster, many)
    return result


def made(context, name):
    folder = context.folder / f"kubernetes-{name}"
    folder.mkdir()
    return folder
