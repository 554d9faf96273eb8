import PalanaCore

/// Reads the regular files of a tar archive (ustar, pax and GNU long names) in memory.
///
/// Nothing is ever written to disk, so a path can't escape; still, paths with `..` are refused, as are links, devices
/// and anything else that a bundle does not hold.
enum TarArchive {
  struct File {
    /// The components, without empty ones and `.`.
    var path: [String]
    var bytes: ArraySlice<UInt8>
  }

  private static let block = 512

  /// - Throws: ``PalanaError`` with code `invalid`.
  static func files(_ archive: [UInt8], name: String, mostEntries: Int) throws(PalanaError) -> [File] {
    func refuse(_ why: String) -> PalanaError { PalanaError(.invalid, "\(name): the bundle is not usable: \(why)") }
    var files: [File] = []
    var seen: Set<[String]> = []
    var offset = 0
    var entries = 0
    var longName: String?
    while offset + block <= archive.count {
      let header = archive[offset..<offset + block]
      if header.allSatisfy({ $0 == 0 }) { return files }
      guard checksumHolds(header), let size = number(field(header, 124, 12)), size <= archive.count - offset - block
      else { throw refuse("a header is damaged") }
      entries += 1
      guard entries <= mostEntries * 2 else { throw refuse("it has too many entries") }
      let start = offset + block
      let content = archive[start..<start + size]
      offset = start + (size + block - 1) / block * block
      switch header[header.startIndex + 156] {
      case UInt8(ascii: "x"): longName = try paxPath(content, refuse) ?? longName
      case UInt8(ascii: "L"): longName = text(content)
      case UInt8(ascii: "g"): break
      case UInt8(ascii: "5"): longName = nil
      case UInt8(ascii: "0"), 0:
        let prefix = text(field(header, 345, 155))
        let plain = text(field(header, 0, 100))
        let isPOSIX = field(header, 257, 6).elementsEqual("ustar\0".utf8)
        let full = longName ?? (isPOSIX && !prefix.isEmpty ? prefix + "/" + plain : plain)
        longName = nil
        let path = full.split(separator: "/").map(String.init).filter { $0 != "." }
        guard !path.isEmpty, !path.contains("..") else { throw refuse("an entry has no usable path") }
        // Two entries of one path: which of them counts depends on the reader.
        guard seen.insert(path).inserted else { throw refuse("two entries have the same path") }
        files.append(File(path: path, bytes: content))
      default: throw refuse("it holds something that is neither a file nor a folder")
      }
    }
    throw refuse("it ends in the middle")
  }

  private static func field(_ header: ArraySlice<UInt8>, _ start: Int, _ length: Int) -> ArraySlice<UInt8> {
    header[header.startIndex + start..<header.startIndex + start + length]
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Octal text; the binary form for sizes from 8 GiB on is far above the limits and refused.
  private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
    var value = 0
    var digits = 0
    for byte in bytes {
      switch byte {
      case 48...55:
        value = value << 3 | Int(byte - 48)
        digits += 1
      case 32 where digits == 0: continue
      case 0, 32: return digits > 0 ? value : nil
      default: return nil
      }
    }
    return digits > 0 ? value : nil
  }

  private static func checksumHolds(_ header: ArraySlice<UInt8>) -> Bool {
    guard let written = number(field(header, 148, 8)) else { return false }
    var sum = 8 * 32  // the field itself counts as spaces
    for (index, byte) in header.enumerated() where !(148..<156).contains(index) { sum += Int(byte) }
    return sum == written
  }

  /// The `path` record of a pax header: lines of `LENGTH KEY=VALUE\n`.
  private static func paxPath(
    _ content: ArraySlice<UInt8>, _ refuse: (String) -> PalanaError
  ) throws(PalanaError) -> String? {
    var rest = content
    var path: String?
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: 32), let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
        length > space - rest.startIndex + 1, length <= rest.count, rest[rest.startIndex + length - 1] == 10
      else { throw refuse("an extended header is damaged") }
      let record = rest[(space + 1)..<(rest.startIndex + length - 1)]
      rest = rest[(rest.startIndex + length)...]
      if record.starts(with: "path=".utf8) { path = String(decoding: record.dropFirst(5), as: UTF8.self) }
      // A size that overrides the header's would shift everything that follows.
      if record.starts(with: "size=".utf8) { throw refuse("an entry is too large") }
    }
    return path
  }
}
