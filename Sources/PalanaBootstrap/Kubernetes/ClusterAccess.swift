import Glibc
import PalanaCore
import PalanaKube

extension KubeEndpoint {
  /// The service account of this pod, unless a kubeconfig or a context is named; else the kubeconfig that `kubectl` would read.
  static func configured(kubeconfig: String?, context: String?) async throws(PalanaError) -> KubeEndpoint {
    let environment = EnvironmentVariables.all()
    if kubeconfig == nil, context == nil, let inside = try await InCluster.endpoint(environment) { return inside }
    return try await KubeConfig(paths: kubeconfig.map { [$0] } ?? KubeConfig.paths(environment)).endpoint(context: context)
  }
}

enum HostName {
  /// The name of this machine; in a cluster that of the pod.
  static var current: String {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "palanad" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
