/// Writes archives for tests: plain ustar, and gzip with stored blocks.
enum TestArchive {
  static func header(_ name: String, size: Int, type: Character = "0", magic: String = "ustar\u{0}00") -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, _ offset: Int) {
      for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
    }
    func octal(_ value: Int, _ width: Int) -> String {
      let digits = String(value, radix: 8)
      return String(repeating: "0", count: width - digits.count) + digits
    }
    put(name, 0)
    put("0000644", 100)
    put(octal(size, 11), 124)
    put(octal(0, 11), 136)
    put("        ", 148)
    put(String(type), 156)
    put(magic, 257)
    put(octal(block.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", 148)
    return block
  }

  static func entry(_ name: String, _ text: String, type: Character = "0") -> [UInt8] {
    let content = Array(text.utf8)
    let padding = (512 - content.count % 512) % 512
    return header(name, size: content.count, type: type) + content + [UInt8](repeating: 0, count: padding)
  }

  static let end = [UInt8](repeating: 0, count: 1024)

  static func tar(_ files: [(String, String)]) -> [UInt8] { files.flatMap { entry($0.0, $0.1) } + end }

  /// RFC 1952 around stored blocks of RFC 1951.
  static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    var offset = 0
    repeat {
      let count = min(65_535, bytes.count - offset)
      let isLast: UInt8 = offset + count == bytes.count ? 1 : 0
      result += [isLast, UInt8(count & 255), UInt8(count >> 8), ~UInt8(count & 255), ~UInt8(count >> 8)]
      result += bytes[offset..<offset + count]
      offset += count
    } while offset < bytes.count
    var crc: UInt32 = 0xffff_ffff
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    for value in [~crc, UInt32(bytes.count)] {
      for shift in [0, 8, 16, 24] { result.append(UInt8(value >> UInt32(shift) & 255)) }
    }
    return result
  }
}
