#!/usr/bin/env python3
"""Runs kmock, a double of a Kubernetes API server, for the tests that it can carry, until its standard input closes.

Usage: serve.py FOLDER. Writes FOLDER/kubeconfig and prints its path. It knows config maps and has neither users nor TLS.
"""

import asyncio
import json
import sys
from pathlib import Path

import kmock


async def main(folder):
    async with kmock.KubernetesEmulator() as handler, kmock.Server(handler, host="127.0.0.1") as server:
        handler.resources["v1/configmaps"] = {
            "kind": "ConfigMap", "singular": "configmap", "namespaced": True,
            "verbs": ["get", "list", "watch", "create", "patch", "delete"]}
        folder.mkdir(parents=True, exist_ok=True)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "double",
            "clusters": [{"name": "double", "cluster": {"server": str(server.url).rstrip("/")}}],
            "contexts": [{"name": "double", "context": {"cluster": "double"}}]}))
        print(kubeconfig, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: serve.py FOLDER")
    asyncio.run(main(Path(sys.argv[1]).absolute()))
