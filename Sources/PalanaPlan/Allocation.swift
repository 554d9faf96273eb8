package import PalanaCore

/// What an engine sets aside for one agent for as long as it exists, so that a restart finds it the same.
package struct Allocation: Codable, Hashable, Sendable {
  /// Counts from 0; unique among the agents of one installation.
  package var index: Int
  /// The agent's own address in the subnet.
  package var address: IPAddress
  /// First host uid and gid of its 65,536.
  package var idBase: UInt32

  package init(index: Int, address: IPAddress, idBase: UInt32) {
    self.index = index
    self.address = address
    self.idBase = idBase
  }
}
