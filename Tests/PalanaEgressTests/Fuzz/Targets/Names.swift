import Fuzzing
import PalanaPolicy

@testable import PalanaEgress

/// Names and paths of requests.
extension FuzzTarget {
  /// What is accepted is canonical: reading it again changes nothing, and nothing strange is in it.
  static let authority = FuzzTarget(
    name: "authority", texts: ["allowed.test:443", "[2001:db8::1]:80", "192.0.2.1:65535", "xn--bcher-kva.example:1"]
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let read = try? Authority.parse(connectTarget: text) else { return nil }
    let written = read.description
    guard written.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !(65...90).contains($0) }) else { return "the canonical form is \(written)" }
    guard (try? Authority.parse(connectTarget: written)) == read else { return "\(written) is read as something else" }
    return (try? Authority.parse(hostHeader: text, defaultPort: 443)) == read ? nil : "Host reads it in another way than CONNECT"
  }

  static let target = FuzzTarget(
    name: "target", texts: ["/a/b%20c?d=e", "http://allowed.test:80/a;x=1/%2fb", "*", "/%41/..a/."]
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
}
