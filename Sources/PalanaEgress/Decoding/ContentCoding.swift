import PalanaPolicy

/// How the contents of a response are coded (RFC 9110 §8.4), as far as the gateway can read them.
enum ContentCoding {
  case identity
  case compressed(Inflater.Coding)

  /// - Throws: ``Refusal`` for a coding that cannot be read, and for a part of coded contents.
  init(_ head: ResponseHead) throws(Refusal) {
    var found: ContentCoding?
    let fields = head.fields
    do {
      try fields.forEachElement(of: .contentEncoding) { element throws(HeadError) in
        if fields.equal(element, "identity") { return }
        guard found == nil else { throw HeadError.malformed("several codings") }
        if fields.equal(element, "gzip") || fields.equal(element, "x-gzip") {
          found = .compressed(.gzip)
        } else if fields.equal(element, "deflate") {
          found = .compressed(.deflate)
        } else {
          throw HeadError.malformed("another coding")
        }
      }
    } catch {
      throw Self.unreadable
    }
    // A part of coded contents has no beginning to decode from.
    if found != nil, head.status == 206 { throw Self.unreadable }
    self = found ?? .identity
  }

  private static let unreadable = Refusal(
    .responseNotReadable, "the upstream coded its response in a way in which credentials cannot be found, though it was asked not to")
}
