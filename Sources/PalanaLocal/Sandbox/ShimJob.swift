import PalanaCore

/// What `palana-shim` reads: records of a key and a value, each with its length before it (32 bits, little-endian).
struct ShimJob: Sendable {
  private(set) var bytes: [UInt8] = []

  mutating func set(_ key: String, _ value: String) { set(key, Array(value.utf8)) }
  mutating func set(_ key: String, _ value: some BinaryInteger) { set(key, "\(value)") }

  mutating func set(_ key: String, _ value: [UInt8]) {
    let key = Array(key.utf8)
    Self.append(UInt32(truncatingIfNeeded: key.count), to: &bytes)
    Self.append(UInt32(truncatingIfNeeded: value.count), to: &bytes)
    bytes += key
    bytes += value
  }

  /// A file below the sandbox's bundle; `path` without `..` and without a slash in front.
  mutating func file(_ path: String, _ contents: [UInt8], mode: Int, owner: UInt32 = 0, group: UInt32 = 0) {
    set("file/" + path, Array("\(String(mode, radix: 8)) \(owner) \(group)\n".utf8) + contents)
  }

  static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
  }
}
