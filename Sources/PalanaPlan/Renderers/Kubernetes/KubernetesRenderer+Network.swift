import PalanaAPI
import PalanaCore

extension KubernetesRenderer {
  /// Nothing goes in or out, then the exact paths that do.
  func network() -> [KubernetesManifest] {
    let nothing = enclosure.nothing()
    guard !run.isCut else { return [nothing] }
    return [nothing, paths()] + peers() + cilium()
  }

  private func paths() -> KubernetesManifest {
    var egress = [Self.rule("to", facts.gateway)]
    // Where policies can tell names apart, the one of Cilium has this path.
    if let dns = facts.dns, !facts.hasCilium { egress.append(Self.rule("to", dns, protocols: ["UDP", "TCP"])) }
    if let llm = facts.llm { egress.append(Self.rule("to", llm)) }
    if let vault = facts.vault, !plan.readableSecrets.isEmpty { egress.append(Self.rule("to", vault)) }
    var spec: JSONObject = ["podSelector": [:], "policyTypes": ["Egress"], "egress": .array(egress)]
    if var from = facts.browser?.from, !browserPorts.isEmpty {
      from.ports = browserPorts.map(\.port)
      spec["policyTypes"] = ["Ingress", "Egress"]
      spec["ingress"] = [Self.rule("from", from)]
    }
    return manifest(.networkPolicy, Name.paths, ["spec": .object(spec)])
  }

  private func peers() -> [KubernetesManifest] {
    guard !run.incoming.isEmpty || !run.outgoing.isEmpty else { return [] }
    func rules(_ direction: String, _ peers: [AgentRun.Peer]) -> JSONValue {
      .array(
        peers.sorted { $0.namespace < $1.namespace }.map { peer in
          Self.rule(
            direction,
            ClusterFacts.Place(namespace: peer.namespace, labels: [AgentLabels.agentID: peer.id.text], ports: peer.ports.sorted()))
        })
    }
    var spec: JSONObject = ["podSelector": [:]]
    var types: [JSONValue] = []
    if !run.incoming.isEmpty {
      types.append("Ingress")
      spec["ingress"] = rules("from", run.incoming)
    }
    if !run.outgoing.isEmpty {
      types.append("Egress")
      spec["egress"] = rules("to", run.outgoing)
    }
    spec["policyTypes"] = .array(types)
    return [manifest(.networkPolicy, Name.peers, ["spec": .object(spec)])]
  }

  /// What Cilium can say besides: which names may be asked for, so that questions carry nothing out, and that the API server is never
  /// reached, wherever it is.
  private func cilium() -> [KubernetesManifest] {
    guard facts.hasCilium else { return [] }
    var spec: JSONObject = ["endpointSelector": [:], "egressDeny": [["toEntities": ["kube-apiserver"]]]]
    if let dns = facts.dns, let namespace = dns.namespace {
      var labels = ["k8s:io.kubernetes.pod.namespace": namespace]
      for (name, value) in dns.labels { labels["k8s:\(name)"] = value }
      let ports = dns.ports.map { port -> JSONValue in ["port": .string("\(port)"), "protocol": "ANY"] }
      let names = (facts.names + (secretFiles?.name.map { [$0] } ?? [])).sorted().map { name -> JSONValue in ["matchName": .string(name)] }
      spec["egress"] = [
        [
          "toEndpoints": [["matchLabels": .texts(labels)]],
          "toPorts": [["ports": .array(ports), "rules": ["dns": .array(names)]]],
        ]
      ]
    }
    return [manifest(.ciliumNetworkPolicy, Name.agent, ["spec": .object(spec)])]
  }

  /// One rule of a policy (`networking.k8s.io/v1`).
  private static func rule(_ direction: String, _ place: ClusterFacts.Place, protocols: [String] = ["TCP"]) -> JSONValue {
    let ports = place.ports.flatMap { port in
      protocols.map { name -> JSONValue in ["port": .int(port), "protocol": .string(name)] }
    }
    var peers = place.cidrs.map { range -> JSONValue in ["ipBlock": ["cidr": .string(range)]] }
    if let namespace = place.namespace {
      var peer: JSONObject = ["namespaceSelector": ["matchLabels": .texts([AgentLabels.namespaceName: namespace])]]
      if !place.labels.isEmpty { peer["podSelector"] = ["matchLabels": .texts(place.labels)] }
      peers.append(.object(peer))
    }
    return [direction: .array(peers), "ports": .array(ports)]
  }
}
