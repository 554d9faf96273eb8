import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Puts credentials into the text messages that an agent sends on a websocket (RFC 6455). A pure state machine: bytes of frames
/// in, bytes of frames out.
///
/// A text message is put together, whatever its fragments, and sent on as one frame under a new mask. Binary messages and
/// control frames pass as they come.
struct WebsocketInjector {
  enum Step {
    /// All bytes are used up.
    case done
    /// Before anything more is taken, ``supply(_:into:)`` has to be called with the values of these.
    case needs([PlaceholderBinding])
  }

  private enum State {
    case header
    /// Bytes of a frame that passes untouched.
    case passing(UInt64)
    /// Bytes of a text frame.
    case text(left: Int, mask: WebsocketMask)
  }

  private enum Message { case none, text, binary }

  /// Bytes of the longest text message.
  private let limit: Int
  private var state = State.header
  private var message = Message.none
  /// Whether the frame under way is the last of its message.
  private var isLast = false
  private var held: [UInt8] = []
  private var waiting: (text: PlacedText, bindings: [PlaceholderBinding])?

  /// - Parameter limit: bytes of the longest text message.
  init(limit: Int) { self.limit = limit }

  /// Takes bytes from the front of `input` and appends what may be sent on to `output`.
  ///
  /// - Parameter credentials: of the agent as it is now.
  /// - Throws: ``Refusal``; the websocket cannot go on then.
  mutating func take(
    _ input: inout ByteBuffer, _ credentials: CredentialInjector, into output: inout ByteBuffer
  ) throws(Refusal) -> Step {
    if let waiting { return .needs(waiting.bindings) }
    while true {
      switch state {
      case .header:
        guard let header = try WebsocketFrame.read(&input) else { return .done }
        try begin(header, &output)
      case .passing(let left):
        let count = Int(min(left, UInt64(input.readableBytes)))
        if count > 0, var slice = input.readSlice(length: count) { output.writeBuffer(&slice) }
        if UInt64(count) < left {
          state = .passing(left - UInt64(count))
          return .done
        }
        state = .header
      case .text(let left, var mask):
        let count = min(left, input.readableBytes)
        guard let bytes = input.readBytes(length: count) else { return .done }
        held.reserveCapacity(held.count + count)
        for byte in bytes { held.append(mask.apply(byte)) }
        guard count == left else {
          state = .text(left: left - count, mask: mask)
          return .done
        }
        state = .header
        guard isLast else { continue }
        message = .none
        if let needed = try finish(credentials, &output) { return .needs(needed) }
      }
    }
  }

  /// Sends the message on that was waiting for values.
  ///
  /// - Returns: the names of the secrets that were put in.
  /// - Throws: ``Refusal`` when a value cannot stand in it.
  mutating func supply(
    _ values: [Redacted<String>], into output: inout ByteBuffer
  ) throws(Refusal) -> Set<String> {
    guard let (text, bindings) = waiting else { return [] }
    waiting = nil
    guard values.count == bindings.count, let filled = text.filled(with: values) else {
      throw CredentialInjector.unusable
    }
    WebsocketFrame.write(text: filled, into: &output)
    return Set(bindings.map(\.secretName))
  }

  private mutating func begin(_ frame: WebsocketFrame, _ output: inout ByteBuffer) throws(Refusal) {
    guard let mask = frame.mask else { throw Self.malformed("a frame of the client is not masked") }
    switch frame.opcode {
    case 8, 9, 10:
      guard frame.isLast, frame.length <= 125 else { throw Self.malformed("a control frame is too long or in fragments") }
      frame.write(into: &output)
      state = .passing(frame.length)
      return
    case 0:
      guard message != .none else { throw Self.malformed("a fragment continues no message") }
    case 1, 2:
      guard message == .none else { throw Self.malformed("a message begins within another") }
      message = frame.opcode == 1 ? .text : .binary
      held.removeAll(keepingCapacity: held.capacity <= 65_536)
    default: throw Self.malformed("the opcode of a frame is unknown")
    }
    if message == .text {
      guard frame.length <= UInt64(limit), held.count + Int(frame.length) <= limit else {
        throw Refusal(.bodyTooLarge, "a text message on this websocket is larger than \(limit) bytes")
      }
      isLast = frame.isLast
      state = .text(left: Int(frame.length), mask: WebsocketMask(mask))
    } else {
      if frame.isLast { message = .none }
      frame.write(into: &output)
      state = .passing(frame.length)
    }
  }

  /// - Returns: the secrets whose values are needed.
  private mutating func finish(
    _ credentials: CredentialInjector, _ output: inout ByteBuffer
  ) throws(Refusal) -> [PlaceholderBinding]? {
    guard Spellings.holdPlaceholder(held.span, credentials.agent.scanner) else {
      WebsocketFrame.write(text: held, into: &output)
      return nil
    }
    let (text, needed) = try places(credentials)
    held = []
    waiting = (text, needed)
    return needed
  }

  private func places(_ credentials: CredentialInjector) throws(Refusal) -> (PlacedText, [PlaceholderBinding]) {
    guard String(validating: held, as: UTF8.self) != nil else { throw Self.malformed("a text message is not UTF-8") }
    let scanner = credentials.agent.scanner
    var text = PlacedText(held)
    var needed: [PlaceholderBinding] = []
    func resolve(_ decoded: DecodedText, _ encoding: ValueEncoding) throws(Refusal) {
      for match in scanner.matches(in: decoded.bytes.span) {
        guard let index = match.placeholder else { throw CredentialInjector.notBound }
        let binding = credentials.agent.bindings[index]
        guard binding.places.contains(.websocket), credentials.mayReceive(binding) else {
          throw CredentialInjector.notBound
        }
        let place = needed.firstIndex(of: binding) ?? needed.count
        if place == needed.count { needed.append(binding) }
        text.add(.init(range: decoded.source(of: match.range), binding: place, encoding: encoding))
      }
    }
    var strings: [Range<Int>] = []
    let isJSON =
      (try? JSONStrings.walk(held) { contents, isName in if !isName { strings.append(contents) } }) != nil
    if isJSON {
      for contents in strings {
        if let decoded = DecodedText(json: held, in: contents) { try resolve(decoded, .json) }
      }
    } else {
      try resolve(DecodedText(plain: held, in: 0..<held.count), .plain)
    }
    guard !Spellings.holdPlaceholder(text.rest.span, scanner) else { throw CredentialInjector.left }
    return (text, needed)
  }

  private static func malformed(_ why: String) -> Refusal { Refusal(.malformedRequest, why) }
}
