import NIOCore
import NIOHTTP1
import PalanaCore
import PalanaSecrets

/// What takes the credentials of routes out of answers, and has them recognised in requests from then on. Of one event loop.
struct CredentialScrubbers {
  private struct Known {
    var proof: UInt64
    var index: FingerprintIndex
    /// Of the book, when it was told last.
    var version: UInt64
  }

  /// Credentials kept; they are made again in microseconds.
  private static let most = 1_024
  private var known: [SecretRef: Known] = [:]

  /// The scrubber for the answer to a request that carries this value.
  mutating func scrubber(_ ref: SecretRef, _ value: Redacted<String>, _ book: FingerprintBook) -> ResponseScrubber {
    let proof = book.key.proof(value)
    var entry: Known
    if let made = known[ref], made.proof == proof {
      entry = made
    } else {
      if known.count >= Self.most { known.removeAll(keepingCapacity: true) }
      entry = Known(
        proof: proof, index: FingerprintIndex([ValueFingerprint(Array(value.reveal().utf8), key: book.key)], key: book.key), version: .max)
    }
    if entry.version != book.version {
      // A credential of a route is bound to no destination of the egress gateway: nothing is ever put in for it there.
      book.add(
        PlaceholderBinding(placeholder: "", secretName: ref.path.secret, ref: ref, destinations: [], places: [], revision: 0), value)
      entry.version = book.version
    }
    known[ref] = entry
    return ResponseScrubber(entry.index)
  }
}

extension ResponseScrubber {
  /// The fields without those that hold a credential.
  func scrub(_ fields: HTTPHeaders) -> HTTPHeaders {
    guard !index.isEmpty else { return fields }
    var text: [UInt8] = []
    for (name, value) in fields {
      text += name.utf8
      text.append(0)
      text += value.utf8
      text.append(0)
    }
    guard holds(text) else { return fields }
    return HTTPHeaders(fields.filter { !holds(Array($0.name.utf8)) && !holds(Array($0.value.utf8)) })
  }

  private func holds(_ text: [UInt8]) -> Bool { !index.scan(text.span, isFinal: true).matches.isEmpty }
}
