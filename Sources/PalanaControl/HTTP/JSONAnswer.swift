import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import PalanaCore

/// JSON in and out.
enum JSONAnswer {
  /// The bytes of a value: members sorted, slashes not escaped.
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    response(bytes: try encode(value), status: status)
  }

  static func response(bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}

/// The bodies of requests.
enum JSONBody {
  /// Reads a JSON body strictly: an unknown field is an error that names it.
  ///
  /// - Parameter limit: bytes, at most.
  /// - Throws: ``PalanaError`` with code `invalid`; `NIOTooManyBytesError`.
  static func decode<Value: Decodable>(_ type: Value.Type, from request: Request, limit: Int) async throws -> Value {
    try StrictDecoder.decode(type, from: JSONValue(parsing: try await bytes(of: request, limit: limit)))
  }

  /// - Throws: `NIOTooManyBytesError` before anything is read when the length is known to be over `limit`, else when it
  ///   is passed.
  static func bytes(of request: Request, limit: Int) async throws -> [UInt8] {
    // A form that a web page may post without asking has another type.
    let type = request.headers[.contentType].map { $0.prefix { $0 != ";" }.lowercased() }
    guard type == nil || type == "application/json" else {
      throw PalanaError(.invalid, "the body must be application/json")
    }
    return try await collect(request, limit: limit)
  }

  /// As ``bytes(of:limit:)``, of any type.
  static func collect(_ request: Request, limit: Int) async throws -> [UInt8] {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw NIOTooManyBytesError(maxBytes: limit)
    }
    var buffer = try await request.body.collect(upTo: limit)
    return buffer.readBytes(length: buffer.readableBytes) ?? []
  }
}
