/// Hellos of TLS clients, byte by byte (RFC 8446 §4.1.2).
enum ClientHelloBytes {
  /// - Parameters:
  ///   - version: the version that the hello names: `0x0301` is TLS 1.0.
  ///   - splitAt: cuts the message into records of this many bytes.
  static func hello(_ extensions: [UInt8], version: UInt16 = 0x0303, splitAt: Int? = nil) -> [UInt8] {
    let suites: [UInt8] = [0x13, 0x01, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x14, 0x00, 0x2f]
    let body: [UInt8] =
      number(version) + [UInt8](repeating: 7, count: 32) + [0] + number(UInt16(suites.count)) + suites + [1, 0]
      + number(UInt16(truncatingIfNeeded: extensions.count)) + extensions
    let message: [UInt8] = [1, 0] + number(UInt16(truncatingIfNeeded: body.count)) + body
    func record(_ part: ArraySlice<UInt8>) -> [UInt8] { [22, 3, 1] + number(UInt16(truncatingIfNeeded: part.count)) + part }
    guard let splitAt, splitAt > 0 else { return record(message[...]) }
    return stride(from: 0, to: message.count, by: splitAt).flatMap { record(message[$0..<min($0 + splitAt, message.count)]) }
  }

  /// The extension with the server's name (RFC 6066 §3).
  static func serverName(_ name: [UInt8], type: UInt8 = 0) -> [UInt8] {
    let entry: [UInt8] = [type] + number(UInt16(truncatingIfNeeded: name.count)) + name
    return `extension`(0, number(UInt16(truncatingIfNeeded: entry.count)) + entry)
  }

  static func serverName(_ name: String) -> [UInt8] { serverName(Array(name.utf8)) }

  static func `extension`(_ type: UInt16, _ contents: [UInt8]) -> [UInt8] {
    number(type) + number(UInt16(truncatingIfNeeded: contents.count)) + contents
  }

  /// Groups, signatures and points: what a hello needs so that a server would answer it.
  static let usual: [UInt8] =
    `extension`(10, [0, 4, 0, 0x1d, 0, 0x17]) + `extension`(11, [1, 0]) + `extension`(13, [0, 8, 4, 3, 8, 4, 4, 1, 2, 1])

  private static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
}
