import NIOCore

/// What the body of a `git-upload-pack` request asks for, of every version of the protocol. For the event only: nothing is decided
/// by it, so what it cannot read is a fetch.
struct UploadPackRequest {
  enum Action: String {
    /// Which refs there are.
    case list
    /// Objects, by somebody who has none.
    case clone
    case fetch
  }

  /// What it is; nil until it is clear.
  private(set) var action: Action?
  private var pending = ByteBuffer()
  private var wantsObjects = false
  private var looked = 0
  /// Bytes that are looked at: nobody names so many objects before the first one that it has.
  private static let limit = 262_144

  /// More of the body.
  mutating func take(_ contents: ByteBuffer) {
    guard action == nil else { return }
    pending.writeImmutableBuffer(contents)
    looked += contents.readableBytes
    do throws(GitSyntaxError) {
      let bytes = pending
      var position = 0
      while action == nil, let (packet, end) = try PktLine.read(bytes.readableBytesUInt8Span, at: position) {
        if case .data(let range) = packet { look(bytes.readableBytesUInt8Span.extracting(range)) }
        position = end
      }
      pending.moveReaderIndex(forwardBy: position)
    } catch {
      action = .fetch
    }
    if looked > Self.limit { action = action ?? .fetch }
    if action == nil { pending.discardReadBytes() } else { pending = ByteBuffer() }
  }

  /// The rest cannot be read.
  mutating func giveUp() { action = action ?? .fetch }

  /// The body is over.
  mutating func finish() {
    if action == nil { action = wantsObjects ? .clone : .fetch }
    pending = ByteBuffer()
  }

  private mutating func look(_ line: borrowing Span<UInt8>) {
    if Self.starts(line, "command=ls-refs") || Self.starts(line, "command=object-info") {
      action = .list
    } else if Self.starts(line, "have ") || Self.starts(line, "shallow ") {
      action = .fetch
    } else if Self.starts(line, "want ") || Self.starts(line, "want-ref ") {
      wantsObjects = true
    } else if wantsObjects, Self.starts(line, "done") {
      action = .clone
    }
  }

  private static func starts(_ line: borrowing Span<UInt8>, _ text: String) -> Bool {
    let wanted = text.utf8Span.span
    guard line.count >= wanted.count else { return false }
    for index in 0..<wanted.count where line[index] != wanted[index] { return false }
    return true
  }
}
