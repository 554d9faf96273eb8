import PalanaAPI
import PalanaCore

extension KubernetesRenderer {
  var browserPorts: [AgentPort] { plan.ports.filter { $0.browser == true } }

  /// How others come to the agent's ports: peers by its service, people through the sign-in.
  func access() -> [KubernetesManifest] {
    guard !plan.ports.isEmpty else { return [] }
    let ports = plan.ports.map { port -> JSONValue in
      ["name": .string(port.name), "port": .int(port.port), "targetPort": .int(port.port), "protocol": "TCP"]
    }
    let service = manifest(
      .service, Name.agent,
      [
        "spec": [
          "type": "ClusterIP", "selector": .texts([AgentLabels.agentID: plan.id.text]), "ports": .array(ports), "externalIPs": .null,
        ]
      ])
    guard let browser = facts.browser, !browserPorts.isEmpty else { return [service] }
    let waker = run.isIdle && !run.isCut ? browser.waker.map { [self.waker($0)] } ?? [] : []
    switch browser.route {
    case .ingress(let name, let annotations, let secret):
      return [service] + waker + [ingress(browser, class: name, annotations: annotations, tlsSecret: secret)]
    case .gateway(let namespace, let name):
      return [service] + waker + browserPorts.map { route(browser, to: $0, parent: (namespace, name)) }
    }
  }

  /// Has the service lead to whoever wakes the agent, as long as it has no pod of its own to lead to.
  private func waker(_ waker: ClusterFacts.Waker) -> KubernetesManifest {
    let family = if case .v6 = waker.address { "IPv6" } else { "IPv4" }
    let ports = browserPorts.map { port -> JSONValue in
      ["name": .string(port.name), "port": .int(waker.port), "protocol": "TCP"]
    }
    var slice = manifest(
      .endpointSlice, Name.waker,
      [
        "addressType": .string(family), "ports": .array(ports),
        "endpoints": [["addresses": [.string("\(waker.address)")], "conditions": ["ready": true]]],
      ])
    slice.labels["kubernetes.io/service-name"] = Name.agent
    slice.labels[AgentLabels.sliceManager] = AgentLabels.manager
    return slice
  }

  /// Short enough for a label whatever the agent's name is.
  private func host(_ port: AgentPort, _ browser: ClusterFacts.Browser) -> JSONValue {
    .string("\(plan.id)-\(port.port).\(browser.domain)")
  }

  private func ingress(
    _ browser: ClusterFacts.Browser, class name: String, annotations: [String: String], tlsSecret: String?
  ) -> KubernetesManifest {
    let rules = browserPorts.map { port -> JSONValue in
      let backend: JSONValue = ["service": ["name": .string(Name.agent), "port": ["number": .int(port.port)]]]
      return [
        "host": host(port, browser), "http": ["paths": [["path": "/", "pathType": "Prefix", "backend": backend]]],
      ]
    }
    var tls: JSONObject = ["hosts": .array(browserPorts.map { host($0, browser) })]
    if let tlsSecret { tls["secretName"] = .string(tlsSecret) }
    var manifest = manifest(
      .ingress, Name.agent,
      ["spec": ["ingressClassName": .string(name), "rules": .array(rules), "tls": [.object(tls)], "defaultBackend": .null]])
    manifest.annotations = annotations
    return manifest
  }

  private func route(
    _ browser: ClusterFacts.Browser, to port: AgentPort, parent: (namespace: String, name: String)
  ) -> KubernetesManifest {
    manifest(
      .httpRoute, "\(Name.agent)-\(port.port)",
      [
        "spec": [
          "parentRefs": [["namespace": .string(parent.namespace), "name": .string(parent.name)]],
          "hostnames": [host(port, browser)],
          "rules": [["backendRefs": [["name": .string(Name.agent), "port": .int(port.port)]]]],
        ]
      ])
  }
}
