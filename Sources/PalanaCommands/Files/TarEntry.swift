/// One member of a tar stream, before its content.
struct TarEntry: Hashable, Sendable {
  /// What it is.
  enum Kind: Hashable, Sendable {
    case file
    case directory
    /// With its target as written.
    case symbolicLink(String)
    /// With the path of an earlier member.
    case hardLink(String)
    /// A device, a queue, a sparse file or anything else, with its type flag.
    case other(UInt8)
  }

  /// As written in the stream: not to be trusted.
  var path: String
  var kind: Kind
  /// Permission bits, the lowest twelve.
  var mode: UInt32
  /// Bytes of content that follow; 0 for everything but files.
  var size: Int64
  /// Seconds since 1970.
  var modified: Int64
}
