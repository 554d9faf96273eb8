import FoundationEssentials
package import PalanaCore

extension ExecFrame {
  /// The wire form.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when the payload is longer than ``maximumPayload``.
  package func encoded() throws(PalanaError) -> [UInt8] {
    let (kind, payload) = try parts()
    guard payload.count <= Self.maximumPayload else {
      throw PalanaError(.invalid, "a frame holds at most \(Self.maximumPayload) bytes, this one \(payload.count)")
    }
    let length = UInt32(payload.count)
    return [
      kind.rawValue, UInt8(truncatingIfNeeded: length >> 24), UInt8(truncatingIfNeeded: length >> 16),
      UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length),
    ] + payload
  }

  private func parts() throws(PalanaError) -> (Kind, [UInt8]) {
    switch self {
    case .start(let start): (.start, try Self.json(start))
    case .stdin(let bytes): (.stdin, bytes)
    case .endOfInput: (.endOfInput, [])
    case .resize(let size):
      (
        .resize,
        [UInt8(size.rows >> 8), UInt8(size.rows & 255), UInt8(size.columns >> 8), UInt8(size.columns & 255)]
      )
    case .signal(let number): (.signal, [number])
    case .stdout(let bytes): (.stdout, bytes)
    case .stderr(let bytes): (.stderr, bytes)
    case .exit(let code):
      (.exit, (0..<4).map { UInt8(truncatingIfNeeded: UInt32(bitPattern: code) >> (24 - 8 * UInt32($0))) })
    case .failure(let error): (.failure, try Self.json(error))
    }
  }

  private static func json(_ value: some Encodable) throws(PalanaError) -> [UInt8] {
    do { return Array(try JSONEncoder().encode(value)) } catch {
      throw PalanaError(.invalid, "a frame's payload cannot be written as JSON")
    }
  }

  /// - Throws: ``PalanaError`` with code `invalid` for a payload that does not fit the type.
  static func decode(_ kind: Kind, _ payload: ArraySlice<UInt8>) throws(PalanaError) -> ExecFrame {
    let bytes = Array(payload)
    func exactly(_ count: Int) throws(PalanaError) {
      guard bytes.count == count else {
        throw PalanaError(.invalid, "a frame of type \(kind.rawValue) has \(count) bytes, this one \(bytes.count)")
      }
    }
    switch kind {
    case .start: return .start(try parse(ExecStart.self, bytes))
    case .stdin: return .stdin(bytes)
    case .endOfInput:
      try exactly(0)
      return .endOfInput
    case .resize:
      try exactly(4)
      return .resize(
        .init(
          rows: UInt16(bytes[0]) << 8 | UInt16(bytes[1]), columns: UInt16(bytes[2]) << 8 | UInt16(bytes[3])))
    case .signal:
      try exactly(1)
      guard (1...64).contains(bytes[0]) else { throw PalanaError(.invalid, "a signal is a number from 1 to 64") }
      return .signal(bytes[0])
    case .stdout: return .stdout(bytes)
    case .stderr: return .stderr(bytes)
    case .exit:
      try exactly(4)
      return .exit(Int32(bitPattern: bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }))
    case .failure: return .failure(try parse(PalanaError.self, bytes))
    }
  }

  private static func parse<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws(PalanaError) -> Value {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw PalanaError(.invalid, "a frame's payload is not the JSON that its type asks for")
    }
  }
}

/// Reads frames from bytes that arrive in any pieces. Pure: it holds at most one frame of unread bytes beyond what is
/// pushed.
package struct ExecFrameDecoder: Sendable {
  private var buffer: [UInt8] = []
  private var start = 0
  private var isBroken = false

  package init() {}

  /// Bytes that are held and not yet part of a whole frame that was read.
  package var pendingBytes: Int { buffer.count - start }

  /// Adds bytes. Read with ``next()`` until nil before the next push, then memory stays within one frame and one push.
  package mutating func push(_ bytes: some Collection<UInt8>) {
    if start > 0 {
      buffer.removeFirst(start)
      start = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next whole frame; nil: more bytes are needed.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` for an unknown type, a length over the bound or a wrong payload;
  ///   every later call throws as well, since the boundary of frames is lost.
  package mutating func next() throws(PalanaError) -> ExecFrame? {
    guard !isBroken else { throw PalanaError(.invalid, "the stream of frames is broken") }
    guard buffer.count - start >= ExecFrame.headerLength else { return nil }
    let header = buffer[start..<start + ExecFrame.headerLength]
    guard let kind = ExecFrame.Kind(rawValue: header[start]) else {
      isBroken = true
      throw PalanaError(.invalid, "there is no frame of type \(header[start])")
    }
    let length = header.dropFirst().reduce(0) { $0 << 8 | Int($1) }
    guard length <= ExecFrame.maximumPayload else {
      isBroken = true
      throw PalanaError(.invalid, "a frame holds at most \(ExecFrame.maximumPayload) bytes, this one says \(length)")
    }
    let first = start + ExecFrame.headerLength
    guard buffer.count - first >= length else { return nil }
    do {
      let frame = try ExecFrame.decode(kind, buffer[first..<first + length])
      start = first + length
      return frame
    } catch {
      isBroken = true
      throw error
    }
  }

  /// Says that no bytes will follow.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when a frame was cut short.
  package func finish() throws(PalanaError) {
    guard pendingBytes == 0 else { throw PalanaError(.invalid, "the stream of frames ends within a frame") }
  }
}
