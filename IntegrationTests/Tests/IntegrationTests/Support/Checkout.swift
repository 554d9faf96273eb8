import Foundation
import Testing

/// Where the product under test is.
enum Checkout {
  /// The root of the repository.
  static let root: String = {
    var url = URL(filePath: #filePath)
    for _ in 0..<5 { url.deleteLastPathComponent() }
    return url.path(percentEncoded: false)
  }()

  /// The folder of the built binaries: `PALANA_BIN`, or the debug build of this checkout.
  static let binaries = ProcessInfo.processInfo.environment["PALANA_BIN"] ?? root + ".build/debug"

  static let pcli = binaries + "/pcli"
  static let palanad = binaries + "/palanad"
  static let python = "/usr/bin/python3"
  static let hasEnvoy = FileManager.default.isExecutableFile(atPath: "/opt/palana/tools/envoy/envoy")
}
