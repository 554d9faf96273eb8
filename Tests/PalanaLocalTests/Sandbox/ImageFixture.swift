import PalanaCore
import Testing

@testable import PalanaLocal

/// Makes a small image from a static busybox with umoci, without any network.
enum ImageFixture {
  static let isPossible = SandboxFixture.isPossible && Files.exists("/usr/bin/umoci") && Files.exists("/bin/busybox")

  /// - Parameters:
  ///   - script: fills the root, run by `sh` in it as root of the machine; busybox is `bin/busybox` already.
  ///   - configuration: further arguments of `umoci config`.
  /// - Returns: the folder of the layout; the tag is `test`.
  static func make(in folder: String, script: String = "", _ configuration: [String]) async throws -> String {
    let layout = "\(folder)/layout-\(RandomToken.hex(bytes: 3))"
    let bundle = layout + "-bundle"
    let image = layout + ":test"
    try await run("umoci", ["init", "--layout", layout])
    try await run("umoci", ["new", "--image", image])
    try await run("umoci", ["unpack", "--image", image, bundle])
    let setUp = """
      set -e; cd \(bundle)/rootfs; mkdir -p bin etc; cp /bin/busybox bin/busybox
      for name in sh cat ls id stat echo sleep touch env pwd tail wc head find; do ln -s busybox bin/$name; done
      \(script)
      """
    try await run("sh", ["-c", setUp])
    try await run("umoci", ["repack", "--image", image, bundle])
    try await run("umoci", ["config", "--image", image] + configuration)
    return layout
  }

  static func archive(_ layout: String) async throws -> String {
    let file = layout + ".tar"
    try? Files.remove(file)
    try await run("skopeo", ["--insecure-policy", "copy", "-q", "oci:\(layout):test", "oci-archive:\(file)"])
    return file
  }

  private static func run(_ name: String, _ arguments: [String]) async throws {
    let result = try await Program.run(try Program.find(name, package: name), arguments)
    try #require(result.succeeded, "\(name) \(arguments): \(result.error)")
  }
}
