import PalanaControlAPI

/// What steers the platform cannot be reached from an agent, neither directly nor through the gateway.
enum ControlCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let speaker = ProxySpeaker(job)
    // The proxy and the resolver are meant for agents.
    let ports = services.filter { $0.1 != job.proxyPort } + (job.controlPort.map { [("control-api", $0)] } ?? [])
    return ports.map { name, port in
      AroundCases.stream(
        "gateway-\(name)", Endpoint(job.gateway, port), "Of the machine nothing but the gateway's ports is reached.", family: .control)
    }
      + ports.map { name, port in
        AttackCase(
          .control, "proxied-\(name)", "The gateway dials nothing of the machine.", speaker.stream(speaker.connect("127.0.0.1:\(port)")),
          .refused, sent: "CONNECT 127.0.0.1:\(port)", destination: Endpoint("127.0.0.1", port))
      }
      + (job.controlPort.map { port in
        job.machine.enumerated().map { index, address in
          AroundCases.stream(
            "machine-\(index + 1)-control-api", Endpoint(address, port), "The control API is not reached at any address.", family: .control)
        }
      } ?? [])
  }

  private static let services = [
    ("ssh", 22), ("http", 80), ("docker", 2375), ("etcd", 2379), ("listener", 3129), ("kubernetes", 6443), ("control-default", 7180),
    ("secrets", 8200), ("secrets-cluster", 8201), ("envoy-admin", 9901), ("kubelet", 10250),
  ]
}
