import NIOCore

/// What a push asks for: the commands in front of its pack (gitprotocol-pack, "Reference Update Request and Packfile Transfer").
///
/// Reads the front of a body that grows, and is done at the flush packet; what follows it is not looked at. One reading only is
/// possible of what it takes: anything unusual is refused.
struct ReceivePackCommands: Hashable {
  /// One ref that is to change.
  struct Command: Hashable {
    enum Kind: String { case create, update, delete }

    /// 40 or 64 hexadecimal digits; zeros stand for "none".
    var old: String
    var new: String
    var ref: String

    var kind: Kind {
      if new.utf8.allSatisfy({ $0 == UInt8(ascii: "0") }) { return .delete }
      return old.utf8.allSatisfy { $0 == UInt8(ascii: "0") } ? .create : .update
    }
  }

  private(set) var commands: [Command] = []
  /// Words that follow the first command.
  private(set) var capabilities: [String] = []
  /// Bytes that were read; after the flush packet.
  private(set) var position = 0
  private(set) var isDone = false
  private static let longestRef = 1024

  /// Reads on in the readable bytes of `body`, which starts with what was read before.
  ///
  /// - Returns: whether all commands are known.
  /// - Throws: ``GitSyntaxError``.
  mutating func advance(over body: ByteBuffer) throws(GitSyntaxError) -> Bool {
    let bytes = body.readableBytesUInt8Span
    while !isDone, let (packet, end) = try PktLine.read(bytes, at: position) {
      position = end
      switch packet {
      case .flush: isDone = true
      case .delimiter: throw .framing
      case .data(let range): try take(bytes.extracting(range))
      }
    }
    return isDone
  }

  private mutating func take(_ bytes: borrowing Span<UInt8>) throws(GitSyntaxError) {
    var end = bytes.count
    if bytes[end - 1] == UInt8(ascii: "\n") { end -= 1 }
    var zero = 0
    while zero < end, bytes[zero] != 0 { zero += 1 }
    let words = text(bytes, zero < end ? zero + 1 : end, end).split(separator: " ").map(String.init)
    // Only the first command has capabilities; a NUL behind another one would hide what follows from other readers.
    guard zero == end || commands.isEmpty && capabilities.isEmpty else { throw .command }
    if starts(bytes, with: "push-cert") { throw .certificate }
    if starts(bytes, with: "shallow ") {
      guard zero == end, commands.isEmpty, objectID(bytes, 8, end) else { throw .command }
      return
    }
    capabilities += words
    guard let first = space(bytes, from: 0, to: zero), let second = space(bytes, from: first + 1, to: zero),
      objectID(bytes, 0, first), objectID(bytes, first + 1, second), second - first - 1 == first
    else { throw .command }
    guard zero - second - 1 <= Self.longestRef, Self.isRefName(bytes.extracting(second + 1..<zero)) else { throw .refName }
    guard let ref = validText(bytes, second + 1, zero) else { throw .refName }
    commands.append(
      Command(old: text(bytes, 0, first).lowercased(), new: text(bytes, first + 1, second).lowercased(), ref: ref))
  }

  /// The rules of git-check-ref-format, with `refs/` in front: a server that repairs names must not see another one than the policy.
  private static func isRefName(_ bytes: borrowing Span<UInt8>) -> Bool {
    let prefix: StaticString = "refs/"
    guard bytes.count > 5, FieldName.equal(bytes.extracting(0..<5), prefix), bytes[0] == UInt8(ascii: "r") else { return false }
    var previous = UInt8(ascii: "/")
    for index in 0..<bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0...0x20, 0x7f, UInt8(ascii: "~"), UInt8(ascii: "^"), UInt8(ascii: ":"), UInt8(ascii: "?"), UInt8(ascii: "*"),
        UInt8(ascii: "["), UInt8(ascii: "\\"):
        return false
      case UInt8(ascii: "/"), UInt8(ascii: "."):
        if index > 0, previous == UInt8(ascii: "/") || previous == UInt8(ascii: ".") { return false }
      case UInt8(ascii: "{"): if previous == UInt8(ascii: "@") { return false }
      default: break
      }
      previous = byte
    }
    if previous == UInt8(ascii: "/") || previous == UInt8(ascii: ".") { return false }
    return !endsInLock(bytes)
  }

  private static func endsInLock(_ bytes: borrowing Span<UInt8>) -> Bool {
    // Of any part of the name.
    var index = 0
    while let found = Bytes.firstIndex(of: ".lock".utf8Span.span, in: bytes, from: index) {
      if found + 5 == bytes.count || bytes[found + 5] == UInt8(ascii: "/") { return true }
      index = found + 1
    }
    return false
  }

  private func objectID(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
    guard end - start == 40 || end - start == 64 else { return false }
    for index in start..<end where ByteClass.hexadecimal(bytes[index]) == nil { return false }
    return true
  }

  private func space(_ bytes: borrowing Span<UInt8>, from start: Int, to end: Int) -> Int? {
    var index = start
    while index < end {
      if bytes[index] == 0x20 { return index }
      index += 1
    }
    return nil
  }

  private func starts(_ bytes: borrowing Span<UInt8>, with text: String) -> Bool {
    let wanted = text.utf8Span.span
    guard bytes.count >= wanted.count else { return false }
    for index in 0..<wanted.count where bytes[index] != wanted[index] { return false }
    return true
  }

  private func text(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> String {
    String(decoding: array(bytes, start, end), as: UTF8.self)
  }

  private func validText(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> String? {
    String(validating: array(bytes, start, end), as: UTF8.self)
  }

  private func array(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(end - start)
    for index in start..<end { result.append(bytes[index]) }
    return result
  }
}
