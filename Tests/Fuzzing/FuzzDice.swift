/// A small generator (xorshift64*), so that a failure can be repeated, and what it makes of well-formed inputs.
package struct FuzzDice: RandomNumberGenerator {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  package mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }

  private static let spice: [String] = [
    "\r\n", "\n", "\r", "\u{0}", " ", "\t", ":", ";", ",", "/", "//", "%2f", "%00", "%2e", "..", "?", "#", "@", "*", "0", "-1",
    "ffffffffffffffff", "chunked", "content-length: 3\r\n", "transfer-encoding: chunked\r\n", "host: evil.test\r\n",
    "connection: close\r\n", "upgrade: websocket\r\nconnection: upgrade\r\n", "GET http://evil.test/ HTTP/1.1\r\n\r\n",
    " HTTP/1.1\r\n", "HTTP/1.1 100 C\r\n\r\n", "\r\n\r\n", "0\r\n\r\n", "evil.test", "\u{ff}", "x: y\r\n z\r\n",
  ]

  /// One to three changes: something that is strange in many places, a piece that is missing, another byte, a piece twice.
  package mutating func mutated(_ text: [UInt8]) -> [UInt8] {
    var bytes = text
    for _ in 0..<Int.random(in: 1...3, using: &self) {
      let place = Int.random(in: 0...bytes.count, using: &self)
      let end = min(bytes.count, place + Int.random(in: 0...8, using: &self))
      switch Int.random(in: 0..<5, using: &self) {
      case 0: bytes.insert(contentsOf: (Self.spice.randomElement(using: &self) ?? "").utf8, at: place)
      case 1: bytes.removeSubrange(place..<end)
      case 2: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &self) }
      case 3: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
      default: bytes.replaceSubrange(place..<end, with: (Self.spice.randomElement(using: &self) ?? "").utf8)
      }
    }
    return bytes
  }
}
