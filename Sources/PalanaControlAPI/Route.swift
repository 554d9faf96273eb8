import PalanaCore

/// One entry of the route table: what the server registers, what the client calls, what the OpenAPI document says.
package struct Route: Hashable, Sendable {
  package enum Verb: String, Sendable { case get = "GET", post = "POST", put = "PUT", delete = "DELETE" }

  /// What travels in a body.
  package enum Payload: Hashable, Sendable {
    case none
    /// A JSON object of the named schema.
    case json(String)
    /// One JSON object of the named schema per line, for as long as the server has any.
    case lines(String)
    /// A tar stream.
    case tar
    /// A stream of ``ExecFrame``s in both directions at once.
    case frames
    /// A Kubernetes-shaped manifest of any kind that may be written.
    case manifest
    /// The OpenAPI document.
    case document
    /// Metrics in the text format of Prometheus.
    case metrics

    /// The media type of the body; nil without one.
    package var mediaType: String? {
      switch self {
      case .none: nil
      case .json, .manifest, .document: "application/json"
      case .lines: "application/x-ndjson"
      case .tar: "application/x-tar"
      case .frames: "application/x-palana-exec"
      case .metrics: PrometheusText.mediaType
      }
    }
  }

  /// A query parameter.
  package struct Query: Hashable, Sendable {
    package enum Kind: String, Sendable { case string, integer, boolean }
    package var name: String
    package var kind: Kind
    package var summary: String
    /// Whether it may be given more than once.
    package var isRepeated: Bool

    package init(_ name: String, _ kind: Kind = .string, _ summary: String, isRepeated: Bool = false) {
      self.name = name
      self.kind = kind
      self.summary = summary
      self.isRepeated = isRepeated
    }
  }

  /// Who may call it.
  package enum Access: String, Sendable {
    /// Without authentication, but only from where the socket can be reached at all.
    case anyone
    /// Every authenticated caller, on what is their own.
    case caller
    case `operator`
    /// A part of the platform that hands in its audit trail, and nobody else: it signs in with a token for this alone.
    case sender
  }

  package var operation: Operation
  package var verb: Verb
  /// For example `/v1/agents/{name}/run`.
  package var path: String
  package var summary: String
  package var access: Access
  package var query: [Query]
  package var request: Payload
  package var response: Payload
  /// The status of success.
  package var success: Int

  package init(
    _ operation: Operation, _ verb: Verb, _ path: String, _ summary: String, access: Access = .caller,
    query: [Query] = [], request: Payload = .none, response: Payload, success: Int = 200
  ) {
    self.operation = operation
    self.verb = verb
    self.path = path
    self.summary = summary
    self.access = access
    self.query = query
    self.request = request
    self.response = response
    self.success = success
  }

  /// The names between braces in the path, in order.
  package var pathParameters: [String] {
    path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
  }

  /// The path with its parameters filled in, each percent-encoded as one segment. A parameter that is not given stays
  /// as it is written.
  package func path(_ parameters: [String: String] = [:]) -> String {
    let segments = path.split(separator: "/").map { segment -> String in
      guard segment.hasPrefix("{"), let value = parameters[String(segment.dropFirst().dropLast())] else {
        return String(segment)
      }
      return PercentEncoding.encode(value)
    }
    return "/" + segments.joined(separator: "/")
  }
}

/// Percent-encoding of RFC 3986: everything but the unreserved characters is written as `%XX`.
package enum PercentEncoding {
  package static func encode(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      let isPlain =
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45 || byte == 46
        || byte == 95 || byte == 126
      if isPlain {
        result.unicodeScalars.append(UnicodeScalar(byte))
      } else {
        let hex = String(byte, radix: 16, uppercase: true)
        result += hex.utf8.count == 1 ? "%0\(hex)" : "%\(hex)"
      }
    }
    // A segment of dots only would be a step in the hierarchy, not a name.
    return text == "." || text == ".." ? text.map { _ in "%2E" }.joined() : result
  }

  /// The text that was encoded; nil for a cut escape or invalid UTF-8.
  ///
  /// - Parameter plusIsSpace: as in queries.
  package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? 32 : byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// `?a=b&c=d`, or nothing for no items.
  package static func query(_ items: [(name: String, value: String)]) -> String {
    guard !items.isEmpty else { return "" }
    return "?" + items.map { "\(encode($0.name))=\(encode($0.value))" }.joined(separator: "&")
  }
}
