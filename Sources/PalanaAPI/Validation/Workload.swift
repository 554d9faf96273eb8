import PalanaCore

/// The checks of what agents and templates have in common.
extension Problems {
  /// Names that the platform gives to the process: an agent that could set them would go around its own gateway's CA and proxy, or
  /// pretend to be another agent towards its own tools.
  static let reservedVariables: Set<String> = {
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY", "FTP_PROXY", "NO_PROXY"]
    let authorities = [
      "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
      "AWS_CA_BUNDLE", "PIP_CERT", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CARGO_HTTP_CAINFO", "DENO_CERT", "HTTPLIB2_CA_CERTS",
      "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    ]
    return Set(proxies + proxies.map { $0.lowercased() } + authorities)
  }()

  mutating func image(_ image: String?, _ path: String) {
    guard let image, !image.isEmpty else { return }
    do throws(PalanaError) { _ = try ImageReference(image) } catch { add(path, error.description) }
  }

  mutating func command(_ command: [String]?, _ path: String) {
    guard let command, let program = command.first else { return }
    require(!program.isEmpty, "\(path)[0]", "the program has no name")
    for (index, argument) in command.enumerated() {
      require(!argument.utf8.contains(0), "\(path)[\(index)]", "holds a NUL byte")
    }
    let size = command.reduce(0) { $0 + $1.utf8.count + 1 }
    require(command.count <= 1024 && size <= 128 << 10, path, "at most 1024 arguments of 128 KiB together")
  }

  mutating func workingDirectory(_ directory: String?, _ path: String) {
    guard let directory else { return }
    require(TextShape.isAbsolutePath(directory), path, "must be an absolute path without ‘..’")
  }

  mutating func env(_ env: [String: String]?, _ path: String) {
    guard let env else { return }
    var size = 0
    for (name, value) in env.sorted(by: { $0.key < $1.key }) {
      let field = TextShape.isIdentifier(name, limit: 128) ? "\(path).\(name)" : path
      if !TextShape.isIdentifier(name, limit: 128) {
        add(field, "‘\(name.prefix(40))’ is not a variable’s name: letters, digits and ‘_’, not starting with a digit")
      }
      if name.hasPrefix("PALANA_") || Self.reservedVariables.contains(name) {
        add(field, "the platform sets this variable itself")
      }
      require(!value.utf8.contains(0), field, "holds a NUL byte")
      size += name.utf8.count + value.utf8.count + 2
    }
    require(size <= 128 << 10, path, "at most 128 KiB together")
  }

  mutating func resources(_ resources: AgentResources?, _ path: String) {
    guard let resources else { return }
    if let cpu = resources.cpu { require((10...256_000).contains(cpu.milli), "\(path).cpu", "from 10m to 256") }
    if let memory = resources.memory {
      require((16 << 20...1 << 50).contains(memory.bytes), "\(path).memory", "at least 16Mi")
    }
    if let pids = resources.pids { require((8...32_768).contains(pids), "\(path).pids", "from 8 to 32768") }
    if let storage = resources.storage {
      require((1 << 20...1 << 50).contains(storage.bytes), "\(path).storage", "at least 1Mi")
    }
  }

  mutating func lifecycle(_ lifecycle: AgentLifecycle?, _ path: String) {
    guard let lifecycle else { return }
    if let idle = lifecycle.idleAfter {
      require(
        (.seconds(60)...Duration.seconds(365 * 86_400)).contains(idle.duration), "\(path).idleAfter", "from 1m to 365d")
    }
    if let count = lifecycle.restartCount { require(count >= 0, "\(path).restartCount", "not negative") }
  }

  mutating func agentPorts(_ ports: [AgentPort]?, _ path: String) {
    guard let ports else { return }
    require(ports.count <= 32, path, "at most 32 ports")
    for (index, port) in ports.enumerated() {
      name(port.name, "\(path)[\(index)].name")
      require((1...65_535).contains(port.port), "\(path)[\(index)].port", "a port is 1 to 65535")
    }
    unique(ports.map(\.name), path, "the name")
    unique(ports.map(\.port), path, "the port")
  }
}
