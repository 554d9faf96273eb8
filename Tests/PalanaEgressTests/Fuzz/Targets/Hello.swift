import Fuzzing
import NIOCore

@testable import PalanaEgress

/// The first message of TLS.
extension FuzzTarget {
  private static let opening: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32)

  /// A hello is the same in every prefix that holds it whole, and its name holds nothing strange.
  static let hello = FuzzTarget(
    name: "hello",
    seeds: [
      [22, 3, 1, 0, 48, 1, 0, 0, 44] + opening + [0, 0, 2, 19, 1, 1, 0, 0, 1, 0],
      [22, 3, 1, 0, 60, 1, 0, 0, 56] + opening + [0, 0, 2, 19, 1, 1, 0, 0, 13, 0, 0, 0, 9, 0, 7, 0, 0, 4, 97, 46, 98, 99],
    ]
  ) { bytes in
    guard case .complete(let name) = ClientHello.read(ByteBuffer(bytes: bytes)) else { return nil }
    if let name, !name.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) { return "the name is \(name)" }
    guard ClientHello.read(ByteBuffer(bytes: bytes + [0])) == .complete(serverName: name) else { return "one more byte changes it" }
    return nil
  }
}
