import PalanaCore

/// Reads a tar stream that arrives in any pieces. Pure; the stream is not trusted: what is held in memory is bounded.
struct TarParser {
  /// What was read.
  enum Event: Hashable, Sendable {
    case entry(TarEntry)
    /// Content of the last entry.
    case data([UInt8])
  }

  private enum State {
    case header
    case content(remaining: Int64, padding: Int)
    case extended(flag: UInt8, remaining: Int, padding: Int)
    case ended
  }

  /// Bytes of a long name or of extended headers, at most.
  private static let extendedLimit = 1 << 20

  private var state = State.header
  private var buffer: [UInt8] = []
  private var next = Extended()

  private struct Extended {
    var path: String?
    var link: String?
    var size: Int64?
    var modified: Int64?
  }

  /// Adds bytes and returns what they complete.
  /// - Throws: ``PalanaError`` with code `failed` when this is no tar stream.
  mutating func push(_ bytes: [UInt8]) throws -> [Event] {
    var events: [Event] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      switch state {
      case .ended: return events
      case .header:
        guard fill(&rest, TarHeader.block) else { return events }
        let block = buffer
        buffer = []
        guard let fields = try TarHeader.parse(block) else {
          state = .ended
          return events
        }
        if let entry = try begin(fields) { events.append(.entry(entry)) }
      case .content(let remaining, let padding):
        let part = rest.prefix(Int(min(remaining, Int64(rest.count))))
        rest = rest.dropFirst(part.count)
        if !part.isEmpty { events.append(.data(Array(part))) }
        let left = remaining - Int64(part.count)
        if left > 0 {
          state = .content(remaining: left, padding: padding)
        } else {
          let skipped = min(padding, rest.count)
          rest = rest.dropFirst(skipped)
          state = skipped == padding ? .header : .content(remaining: 0, padding: padding - skipped)
        }
      case .extended(let flag, let size, let padding):
        guard fill(&rest, size + padding) else { return events }
        let content = Array(buffer.prefix(size))
        buffer = []
        state = .header
        try extend(flag, content)
      }
    }
    return events
  }

  /// Says that no bytes will follow.
  /// - Throws: ``PalanaError`` with code `failed` when the stream was cut short.
  func finish() throws {
    switch state {
    case .ended: return
    case .header where buffer.isEmpty: return
    default: throw PalanaError(.failed, "the tar stream ends too early")
    }
  }

  private mutating func fill(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> Bool {
    let part = rest.prefix(count - buffer.count)
    buffer += part
    rest = rest.dropFirst(part.count)
    return buffer.count == count
  }

  private mutating func begin(_ fields: TarHeader.Fields) throws -> TarEntry? {
    if [UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K")].contains(fields.flag) {
      guard fields.size <= Int64(Self.extendedLimit) else {
        throw PalanaError(.failed, "the tar stream has an extended header of \(fields.size) bytes")
      }
      let size = Int(fields.size)
      state =
        size == 0 ? .header : .extended(flag: fields.flag, remaining: size, padding: TarHeader.padding(fields.size))
      return nil
    }
    let extended = next
    next = Extended()
    var entry = TarEntry(
      path: extended.path ?? fields.path, kind: .file, mode: fields.mode, size: extended.size ?? fields.size,
      modified: extended.modified ?? fields.modified)
    let link = extended.link ?? fields.link
    switch fields.flag {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
      // Before POSIX, a slash at the end said “directory”.
      if entry.path.hasSuffix("/") { entry.kind = .directory }
    case UInt8(ascii: "1"): entry.kind = .hardLink(link)
    case UInt8(ascii: "2"): entry.kind = .symbolicLink(link)
    case UInt8(ascii: "5"): entry.kind = .directory
    default: entry.kind = .other(fields.flag)
    }
    // Whatever the kind, as many bytes follow as the header says.
    state = entry.size == 0 ? .header : .content(remaining: entry.size, padding: TarHeader.padding(entry.size))
    return entry
  }

  private mutating func extend(_ flag: UInt8, _ content: [UInt8]) throws {
    switch flag {
    case UInt8(ascii: "L"): next.path = try Self.text(content.prefix { $0 != 0 })
    case UInt8(ascii: "K"): next.link = try Self.text(content.prefix { $0 != 0 })
    case UInt8(ascii: "x"): try readRecords(content)
    default: break
    }
  }

  /// Records `LENGTH KEY=VALUE\n`, where the length counts itself.
  private mutating func readRecords(_ content: [UInt8]) throws {
    func damaged() -> PalanaError { PalanaError(.failed, "the tar stream has a damaged extended header") }
    var rest = content[...]
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: 32), space - rest.startIndex <= 10,
        let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > space - rest.startIndex + 1,
        length <= rest.count
      else { throw damaged() }
      let record = rest[(space + 1)..<(rest.startIndex + length)]
      guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
        throw damaged()
      }
      let key = String(decoding: record[..<equals], as: UTF8.self)
      let value = try Self.text(record[(equals + 1)...].dropLast())
      switch key {
      case "path": next.path = value
      case "linkpath": next.link = value
      case "size":
        guard let size = Int64(value), size >= 0 else { throw damaged() }
        next.size = size
      case "mtime": next.modified = Int64(value.prefix { $0 != "." })
      default: break
      }
      rest = rest.dropFirst(length)
    }
  }

  private static func text(_ bytes: some Sequence<UInt8>) throws -> String {
    guard let text = String(validating: Array(bytes), as: UTF8.self), !text.contains("\0") else {
      throw PalanaError(.failed, "the tar stream has a name that is not UTF-8")
    }
    return text
  }
}
