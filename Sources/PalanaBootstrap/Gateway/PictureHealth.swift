import PalanaCore

/// How the gateway's picture of all agents stands to what it is made from.
enum PictureHealth: Hashable, Sendable {
  /// It is what the source says.
  case current(agents: Int)
  /// The source cannot be read; the last good picture is in force.
  case stale(PalanaError)
  /// Nothing is allowed.
  case withheld(PalanaError)
}
