import Glibc
import PalanaCore

@testable import PalanaEnvoy

/// The process of the Envoy that runs.
extension EnvoyFixture {
  /// The Envoy of this fixture.
  func process() -> Int32? {
    guard let folder = unsafe opendir("/proc") else { return nil }
    defer { unsafe closedir(folder) }
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let process = Int32(name), let line = try? Self.text("/proc/\(process)/cmdline") else { continue }
      if line.hasPrefix(Self.binary), line.contains(configuration.folder + "/") { return process }
    }
    return nil
  }

  static func status(_ process: Int32, _ key: String) throws -> [String] {
    let line = try text("/proc/\(process)/status").split(separator: "\n").first { $0.hasPrefix(key) }
    return line?.dropFirst(key.count).split(whereSeparator: \.isWhitespace).map(String.init) ?? []
  }

  static func text(_ path: String) throws -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw PalanaError(.notFound, path) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      bytes += buffer.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
