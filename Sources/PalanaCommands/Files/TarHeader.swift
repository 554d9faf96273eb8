import PalanaCore

/// The 512-byte header of POSIX ustar (IEEE 1003.1, “pax”), with GNU's binary numbers.
enum TarHeader {
  /// Bytes of a block.
  static let block = 512

  /// The fields of one header.
  struct Fields: Sendable {
    var path: String
    var link: String
    var mode: UInt32
    var size: Int64
    var modified: Int64
    var flag: UInt8
  }

  /// Reads a header.
  /// - Parameter bytes: 512 bytes.
  /// - Returns: nil for a block of zeros, which ends an archive.
  /// - Throws: ``PalanaError`` with code `failed` when it is no header.
  static func parse(_ bytes: [UInt8]) throws(PalanaError) -> Fields? {
    if bytes.allSatisfy({ $0 == 0 }) { return nil }
    let stored = try number(bytes, 148, 8)
    let sum = bytes.enumerated().reduce(Int64(0)) { $0 + Int64((148..<156).contains($1.offset) ? 32 : $1.element) }
    guard stored == sum else { throw PalanaError(.failed, "the tar stream is damaged: a header's checksum is wrong") }
    let isPOSIX = Array(bytes[257..<262]) == Array("ustar".utf8)
    // GNU's own format keeps times where POSIX keeps the prefix.
    let prefix = isPOSIX && bytes[262] == 0 ? try text(bytes, 345, 155) : ""
    let name = try text(bytes, 0, 100)
    return Fields(
      path: prefix.isEmpty ? name : prefix + "/" + name, link: try text(bytes, 157, 100),
      mode: UInt32(truncatingIfNeeded: try number(bytes, 100, 8)) & 0o7777, size: try number(bytes, 124, 12),
      modified: try number(bytes, 136, 12), flag: bytes[156])
  }

  private static func text(_ bytes: [UInt8], _ start: Int, _ length: Int) throws(PalanaError) -> String {
    let field = bytes[start..<start + length].prefix { $0 != 0 }
    guard let text = String(validating: field, as: UTF8.self) else {
      throw PalanaError(.failed, "the tar stream has a name that is not UTF-8")
    }
    return text
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ length: Int) throws(PalanaError) -> Int64 {
    let field = bytes[start..<start + length]
    func damaged() -> PalanaError { PalanaError(.failed, "the tar stream is damaged: a header's number is wrong") }
    if bytes[start] & 0x80 != 0 {
      // GNU: two's complement, big-endian. Negative sizes and times before 1970 make no sense here.
      guard bytes[start] == 0x80 else { throw damaged() }
      var value: Int64 = 0
      for byte in field.dropFirst() {
        guard value < 1 << 54 else { throw damaged() }
        value = value << 8 | Int64(byte)
      }
      return value
    }
    var value: Int64 = 0
    for byte in field.drop(while: { $0 == 32 }) {
      if byte == 0 || byte == 32 { break }
      guard (48...55).contains(byte) else { throw damaged() }
      value = value << 3 | Int64(byte - 48)
    }
    return value
  }

  /// Writes a header.
  /// - Parameter fields: the path at most 100 bytes, the size and the time not negative; longer ones stand in a pax header before.
  static func write(_ fields: Fields) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: block)
    func put(_ text: some Collection<UInt8>, _ start: Int, _ length: Int) {
      for (index, byte) in text.prefix(length).enumerated() { bytes[start + index] = byte }
    }
    func octal(_ value: Int64, _ start: Int, _ length: Int) {
      let digits = String(max(0, value), radix: 8)
      let fitting = digits.utf8.count < length ? digits : String(repeating: "7", count: length - 1)
      put((String(repeating: "0", count: length - 1 - fitting.utf8.count) + fitting).utf8, start, length - 1)
    }
    put(fields.path.utf8, 0, 100)
    octal(Int64(fields.mode), 100, 8)
    octal(0, 108, 8)
    octal(0, 116, 8)
    octal(fields.size, 124, 12)
    octal(fields.modified, 136, 12)
    bytes[156] = fields.flag
    put(fields.link.utf8, 157, 100)
    put("ustar".utf8, 257, 5)
    put("00".utf8, 263, 2)
    for index in 148..<156 { bytes[index] = 32 }
    let sum = bytes.reduce(Int64(0)) { $0 + Int64($1) }
    octal(sum, 148, 7)
    bytes[154] = 0
    bytes[155] = 32
    return bytes
  }

  /// Zeros from the end of `size` bytes to the next block.
  static func padding(_ size: Int64) -> Int { Int((Int64(block) - size % Int64(block)) % Int64(block)) }
}
