/// Recognises the requests of Git's smart HTTP protocol by method, path and query (gitprotocol-http).
///
/// `GET …/info/refs?service=git-upload-pack|git-receive-pack` and `POST …/git-upload-pack|git-receive-pack`. The dumb protocol
/// has no requests of its own kind: it reads files, and is judged like every other reading.
package enum GitEndpoint {
  /// A request that some servers would take for Git and others not: one spelling only is let through.
  package struct Ambiguity: Error, Hashable, Sendable {
    /// For people; repeats nothing that was sent.
    package let explanation: String
  }

  private static let fetch = "/git-upload-pack"
  private static let push = "/git-receive-pack"
  private static let discovery = "/info/refs"

  /// - Parameters:
  ///   - path: canonical, without query.
  ///   - query: as it was sent.
  /// - Returns: nil for what is no request of Git.
  /// - Throws: ``Ambiguity``.
  package static func operation(method: String, path: String, query: String?) throws(Ambiguity) -> GitOperation? {
    // Nearly every request ends here, without allocation.
    guard let last = path.utf8.last else { return nil }
    let isPlain = !path.utf8.contains(UInt8(ascii: ";")) && last != UInt8(ascii: "/")
    if isPlain, last != UInt8(ascii: "k"), last != UInt8(ascii: "s") { return nil }
    guard let kind = try kind(method: method, path: path, query: query) else { return nil }
    guard isPlain, CanonicalPath.lenientReading(of: path) == nil else {
      throw Ambiguity(explanation: "the path of a Git request has empty segments, parameters or encoded slashes")
    }
    var repository = path.dropLast(kind.suffix.utf8.count)
    if repository.hasSuffix(".git") { repository = repository.dropLast(4) }
    return GitOperation(
      path: repository.isEmpty ? "/" : String(repository), service: kind.service, isDiscovery: kind.suffix == discovery)
  }

  private static func kind(
    method: String, path: String, query: String?
  ) throws(Ambiguity) -> (service: GitOperation.Service, suffix: String)? {
    // As a lenient server reads it, with or without a slash at its end.
    var read = (CanonicalPath.lenientReading(of: path) ?? path)[...]
    while read.utf8.count > 1, read.utf8.last == UInt8(ascii: "/") { read = read.dropLast() }
    switch method.uppercased() {
    case "POST":
      if read.hasSuffix(push) { return (.push, push) }
      return read.hasSuffix(fetch) ? (.fetch, fetch) : nil
    case "GET", "HEAD":
      guard read.hasSuffix(discovery), let query, let service = try service(in: query) else { return nil }
      return (service, discovery)
    default: return nil
    }
  }

  /// The service that a query asks for; nil when it asks for none of Git's.
  private static func service(in query: String) throws(Ambiguity) -> GitOperation.Service? {
    var found: GitOperation.Service?
    var named = 0
    var spelled = 0
    for part in query.utf8.split(whereSeparator: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }) {
      let halves = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard decoded(halves[0]).elementsEqual("service".utf8) else { continue }
      named += 1
      let value = halves.count == 2 ? decoded(halves[1]) : []
      let text = String(decoding: value, as: UTF8.self)
      guard text.hasPrefix("git-") else { continue }
      guard part.elementsEqual("service=\(text)".utf8) else { continue }
      switch text {
      case "git-upload-pack": found = .fetch
      case "git-receive-pack": found = .push
      default: continue
      }
      spelled += 1
    }
    if named == 0 { return nil }
    guard named == 1 else { throw Ambiguity(explanation: "the query names several services of Git") }
    if spelled == 1 { return found }
    guard !query.utf8.contains(UInt8(ascii: "%")), !query.utf8.contains(UInt8(ascii: "+")) else {
      throw Ambiguity(explanation: "the service of a Git request is encoded")
    }
    return nil
  }

  private static func decoded(_ bytes: Substring.UTF8View) -> [UInt8] {
    var result: [UInt8] = []
    var iterator = bytes.makeIterator()
    while let byte = iterator.next() {
      if byte == UInt8(ascii: "%") {
        guard let high = iterator.next().flatMap(CanonicalPath.hexadecimal),
          let low = iterator.next().flatMap(CanonicalPath.hexadecimal)
        else { continue }
        result.append(high << 4 | low)
      } else {
        result.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
      }
    }
    return result
  }
}
