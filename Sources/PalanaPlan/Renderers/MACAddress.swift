/// A hardware address of an interface that Palana makes: locally administered, unicast, and derived from an IPv4 address, so
/// that both sides can write each other's address down instead of asking for it.
package struct MACAddress: Hashable, Sendable, CustomStringConvertible {
  /// Which end of a link it names.
  package enum Role: UInt8, Sendable {
    /// What the other side of the bridge sees: an agent, or the gateway.
    case member = 0x50
    /// The host's end of an agent's link; never a source of packets.
    case port = 0x51
  }

  /// Six bytes in the order of the wire.
  package let bytes: [UInt8]

  /// `02:50:` (or `02:51:`) and the four bytes of `address` (host byte order).
  package init(_ role: Role = .member, for address: UInt32) {
    bytes = [0x02, role.rawValue] + (0..<4).map { UInt8(truncatingIfNeeded: address >> UInt32(24 - 8 * $0)) }
  }

  /// Six bytes as read from the kernel; nil for any other length.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 6 else { return nil }
    self.bytes = Array(bytes)
  }

  /// Lower-case hexadecimal pairs with colons.
  package var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}
