import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

@testable import PalanaEgress

/// A function that reads bytes of an agent or an upstream, with what must hold for any bytes. That it never traps goes without
/// saying: a trap ends the test run.
struct FuzzTarget: Sendable, CustomStringConvertible {
  let name: String
  /// Well-formed inputs, from which the mutations start. The files of Fuzz/Corpus/NAME are added to them.
  let seeds: [String]
  /// - Returns: what does not hold, in words; nil when all does.
  let problem: @Sendable ([UInt8]) -> String?

  var description: String { name }

  static let all = [authority, target, placeholder, basic, websocket, inflater, hello]

  /// What is accepted is canonical: reading it again changes nothing, and nothing strange is in it.
  private static let authority = FuzzTarget(
    name: "authority", seeds: ["allowed.test:443", "[2001:db8::1]:80", "192.0.2.1:65535", "xn--bcher-kva.example:1"]
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let read = try? Authority.parse(connectTarget: text) else { return nil }
    let written = read.description
    guard written.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !(65...90).contains($0) }) else { return "the canonical form is \(written)" }
    guard (try? Authority.parse(connectTarget: written)) == read else { return "\(written) is read as something else" }
    return (try? Authority.parse(hostHeader: text, defaultPort: 443)) == read ? nil : "Host reads it in another way than CONNECT"
  }

  private static let target = FuzzTarget(
    name: "target", seeds: ["/a/b%20c?d=e", "http://allowed.test:80/a;x=1/%2fb", "*", "/%41/..a/."]
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    for slashes in [CanonicalPath.EncodedSlashes.refused, .kept] {
      guard let read = try? RequestTarget.parse(text, encodedSlashes: slashes) else { continue }
      let path = read.path.description
      guard path == "*" || path.hasPrefix("/") else { return "the path is \(path)" }
      guard path.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }) else {
        return "the path is \(path)"
      }
      let segments = path.split(separator: "/").map { $0.prefix { $0 != ";" } }
      guard !segments.contains("."), !segments.contains("..") else { return "dots are left in \(path)" }
      guard path == "*" || (try? CanonicalPath.parse(path, encodedSlashes: slashes)) == read.path else {
        return "\(path) is read as something else"
      }
    }
    return nil
  }

  private static let scanner = PlaceholderScanner(["TOKEN_A", "TOKEN_AB", "ghp_0123456789", "xoxb-1"])

  /// The places lie in order within the bytes, and nothing with the generic shape lies outside of them.
  private static let placeholder = FuzzTarget(
    name: "placeholder", seeds: ["Bearer TOKEN_A", "TOKEN_ABTOKEN_A", "xghp_0123456789x", "xoxb-1xoxb-12", "TOKEN_ TOKEN_AB_TOKEN_"]
  ) { bytes in
    var end = 0
    for match in scanner.matches(in: bytes.span) {
      guard match.range.lowerBound >= end, !match.range.isEmpty, match.range.upperBound <= bytes.count else {
        return "\(match.range) after \(end)"
      }
      end = match.range.upperBound
    }
    let isThere = scanner.firstMatch(in: bytes.span) != nil
    return isThere == (end > 0) ? nil : "the first match and all matches disagree"
  }

  private static let basic = FuzzTarget(
    name: "basic", seeds: ["Basic dXNlcjpUT0tFTl9B", "basic\tYTpi", "BASIC   YTpiOmM=", "Bearer x"]
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let decoded = BasicCredentials.decoded(text) else { return nil }
    let again = BasicCredentials.decoded("Basic " + String(decoding: Base64.encode(decoded), as: UTF8.self))
    return decoded.isEmpty || again == decoded ? nil : "it is not read back"
  }

  /// The same parts, however the bytes are cut.
  private static let websocket = FuzzTarget(
    name: "websocket", seeds: ["\u{1}\u{5}hello", "\u{1}\u{2}he\u{0}\u{3}llo\u{9}\u{1}x", "\u{2}~\u{0}\u{1}x", "\u{8}\u{2}\u{3}x"]
  ) { bytes in
    func payload(_ step: Int) -> [UInt8]? {
      var frames = WebsocketFrames(isMasked: false)
      var out: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: step) {
        let piece = Array(bytes[start..<min(start + step, bytes.count)])
        var position = 0
        while let (part, end) = frames.next(piece.span, from: position) {
          if part == .broken { return nil }
          guard end > position, end <= piece.count else { return [0] }
          if case .data = part { out += piece[position..<end] }
          position = end
        }
      }
      return out
    }
    return payload(bytes.count + 1) == payload(1) ? nil : "other contents byte by byte"
  }

  /// Bounded output, whatever comes.
  private static let inflater = FuzzTarget(name: "inflater", seeds: ["x\u{9c}", "\u{1f}\u{8b}\u{8}"]) { bytes in
    for coding in [Inflater.Coding.gzip, .deflate] {
      var made = 0
      let inflater = Inflater(coding)
      do {
        try inflater.decode(ByteBuffer(bytes: bytes)) { made += $0.readableBytes }
        try inflater.finish()
      } catch {}
      guard made <= 262_144 + 100 * bytes.count + 65_536 else { return "\(made) bytes of \(bytes.count)" }
    }
    return nil
  }

  /// A hello is the same in every prefix that holds it whole, and its name holds nothing strange.
  private static let hello = FuzzTarget(
    name: "hello",
    seeds: [
      "\u{16}\u{3}\u{1}\u{0}\u{30}\u{1}\u{0}\u{0}\u{2c}\u{3}\u{3}" + String(repeating: "\u{7}", count: 32)
        + "\u{0}\u{0}\u{2}\u{13}\u{1}\u{1}\u{0}\u{0}\u{1}\u{0}"
    ]
  ) { bytes in
    guard case .complete(let name) = ClientHello.read(ByteBuffer(bytes: bytes)) else { return nil }
    if let name, !name.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) { return "the name is \(name)" }
    guard ClientHello.read(ByteBuffer(bytes: bytes + [0])) == .complete(serverName: name) else { return "one more byte changes it" }
    return nil
  }
}
