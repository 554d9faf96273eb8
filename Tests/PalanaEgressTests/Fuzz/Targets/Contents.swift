import Fuzzing
import NIOCore
import PalanaSecrets

@testable import PalanaEgress

/// Contents of responses: values of secrets in them, and their codings.
extension FuzzTarget {
  private static let secret = Array("7f3a-secret".utf8)
  static let secretIndex: FingerprintIndex = {
    let key = FingerprintKey()
    return FingerprintIndex([ValueFingerprint(secret, key: key)], key: key)
  }()
  private static let forms = SecretForms.all(of: secret).sorted { $0.lexicographicallyPrecedes($1) }

  /// Every form is masked, nothing else is changed, and it makes no difference how the bytes are cut.
  static let scrubber = FuzzTarget(name: "scrubber", count: 8_000, seeds: [secret + secret] + forms.map { [1] + $0 + [2] }) { bytes in
    func scrubbed(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
      var scrubber = ResponseScrubber(secretIndex, shortestHeld: 1)
      var out: [UInt8] = []
      for piece in pieces { if let ready = scrubber.scrub(ByteBuffer(bytes: piece)) { out += Array(buffer: ready) } }
      if let rest = scrubber.finish() { out += Array(buffer: rest) }
      return out
    }
    let out = scrubbed([bytes[...]])
    guard out.count == bytes.count else { return "\(out.count) bytes of \(bytes.count)" }
    guard zip(bytes, out).allSatisfy({ $0 == $1 || $1 == UInt8(ascii: "*") }) else { return "bytes became others" }
    if let left = forms.first(where: { Bytes.firstIndex(of: $0.span, in: out.span, from: 0) != nil }) {
      return "\(String(decoding: left, as: UTF8.self)) is left"
    }
    return same(bytes, scrubbed)
  }

  /// Bounded output, whatever comes.
  static let inflater = FuzzTarget(name: "inflater", texts: ["x\u{9c}", "\u{1f}\u{8b}\u{8}"]) { bytes in
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
}
