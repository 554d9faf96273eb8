import NIOCore
import PalanaCore
import PalanaPolicy

/// The places of one request that are not header fields: path, query, body and an AWS signature.
final class MessagePlaces {
  let target: RequestTarget
  /// With placeholders; nil without one.
  var pathText: PlacedText?
  var queryText: PlacedText?
  var bodyText: BodyPlaces?
  var signing: AWSSigning?
  /// The body as the agent sent it, when it was held.
  let heldBody: ByteBuffer?

  /// What the upstream gets, once the values are known; nil: as the agent sent it.
  private(set) var path: [UInt8]?
  private(set) var query: [UInt8]?
  private(set) var body: ByteBuffer?
  /// The new value of the Authorization field, by its index.
  private(set) var authorization: (field: Int, value: [UInt8])?
  /// A field of the credential that the agent left to the gateway.
  private(set) var sessionToken: [UInt8]?

  init(target: RequestTarget, heldBody: ByteBuffer?) {
    self.target = target
    self.heldBody = heldBody
  }

  var isEmpty: Bool { pathText == nil && queryText == nil && bodyText == nil && signing == nil }

  /// Puts the values in.
  ///
  /// - Parameter fields: what header fields became, by their index.
  /// - Returns: false when a value cannot stand in its place.
  func fill(_ secrets: [Redacted<String>], fields: [Int: [UInt8]]) -> Bool {
    if let text = pathText {
      guard let filled = text.filled(with: secrets), Self.isSamePath(filled, as: text.source) else { return false }
      path = filled
    }
    if let text = queryText {
      guard let filled = text.filled(with: secrets) else { return false }
      query = filled
    }
    if let places = bodyText {
      guard let filled = places.text.filled(with: secrets) else { return false }
      if let delimiter = places.delimiter,
        MultipartForm.count(delimiter, in: filled) != MultipartForm.count(delimiter, in: places.text.source)
      {
        return false
      }
      body = ByteBuffer(bytes: filled)
    }
    if let signing {
      let signed = signing.sign(
        path: path ?? Array(target.path.description.utf8), query: query ?? target.query.map { Array($0.utf8) } ?? [],
        values: fields, body: body ?? heldBody, secrets: secrets)
      authorization = (signing.field, signed.authorization)
      sessionToken = signed.sessionToken
    }
    return true
  }

  /// Whether a path with its values is still a canonical one, with as many segments: no value became `..` or another segment.
  private static func isSamePath(_ filled: [UInt8], as source: [UInt8]) -> Bool {
    let slash = UInt8(ascii: "/")
    let text = String(decoding: filled, as: UTF8.self)
    guard let path = try? CanonicalPath.parse(text, encodedSlashes: .kept) else { return false }
    return path.description == text && filled.count { $0 == slash } == source.count { $0 == slash }
  }
}
