import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import PalanaCore

/// What goes with a request.
enum RequestBody: Sendable {
  case none
  case json([UInt8])
  /// JSON that holds secret values.
  case secret(Redacted<[UInt8]>)
  /// A stream of unknown length.
  case stream(HTTPClientRequest.Body)

  /// The JSON of a value.
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func json<Value: Encodable>(encoding value: Value) throws -> RequestBody {
    do { return .json(Array(try JSONEncoder().encode(value))) } catch {
      throw PalanaError(.invalid, "the request cannot be written as JSON")
    }
  }

  /// As the transport wants it.
  var body: HTTPClientRequest.Body? {
    switch self {
    case .none: nil
    case .json(let bytes): .bytes(ByteBuffer(bytes: bytes))
    case .secret(let bytes): .bytes(ByteBuffer(bytes: bytes.reveal()))
    case .stream(let body): body
    }
  }
}
