import Crypto
import PalanaCore

/// Signs a request with AWS Signature Version 4, as AWS's “Create a signed AWS API request” describes it.
struct AWSSigner {
  /// Upper-case.
  var method: String
  /// As it is sent: canonical, percent-encoded, beginning with `/`.
  var path: [UInt8]
  /// As it is sent, without the question mark.
  var query: [UInt8]
  /// Lower-case names and values of what is signed; several values of one name in their order.
  var headers: [(name: String, value: [UInt8])]
  /// The hash of the body in hexadecimal, or what the request says in its place.
  var payload: String
  /// `YYYYMMDDTHHMMSSZ`.
  var time: String
  var region: String
  var service: String

  /// Services that decode a path once, and sign it so. All others sign the encoded path encoded once more.
  private static let plainPaths: Set<String> = ["s3", "s3-object-lambda", "s3-outposts", "s3express"]

  /// The value of the Authorization field.
  func authorization(accessKey: Redacted<String>, secretKey: Redacted<String>) -> Redacted<[UInt8]> {
    let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
    let text = "\(AWSAuthorization.algorithm)\n\(time)\n\(scope)\n\(Self.hash(canonicalRequest))"
    var key = SymmetricKey(data: Array("AWS4\(secretKey.reveal())".utf8))
    for part in [String(time.prefix(8)), region, service, "aws4_request"] {
      key = SymmetricKey(data: Array(HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key)))
    }
    let signature = Self.hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    return accessKey.map { id in
      Array(
        "\(AWSAuthorization.algorithm) Credential=\(id)/\(scope), SignedHeaders=\(names), Signature=\(signature)".utf8)
    }
  }

  /// The hash of bytes as it stands in requests.
  static func hash(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

  private var names: String { Set(headers.map(\.name)).sorted(by: Self.inBytes).joined(separator: ";") }

  /// What is hashed; visible for tests.
  var canonicalRequest: [UInt8] {
    var text = Array("\(method)\n".utf8)
    text += canonicalPath + [10] + canonicalQuery + [10]
    for name in Set(headers.map(\.name)).sorted(by: Self.inBytes) {
      text += Array("\(name):".utf8)
      text += headers.filter { $0.name == name }.map { Self.trimmed($0.value) }.joined(separator: [UInt8(ascii: ",")])
      text.append(10)
    }
    return text + Array("\n\(names)\n\(payload)".utf8)
  }

  private var canonicalPath: [UInt8] {
    guard !Self.plainPaths.contains(service) else { return Self.encoded(Self.decoded(path), keepsSlash: true) }
    // Several slashes count as one here.
    var single: [UInt8] = []
    for byte in path where byte != UInt8(ascii: "/") || single.last != byte { single.append(byte) }
    return Self.encoded(single, keepsSlash: true)
  }

  private var canonicalQuery: [UInt8] {
    let form = FormPairs(source: query)
    var pairs: [(name: [UInt8], value: [UInt8])] = form.pairs.map { pair in
      let name = DecodedText(percent: query, in: pair.name, plusIsSpace: false).bytes
      let value = pair.value.map { DecodedText(percent: query, in: $0, plusIsSpace: false).bytes } ?? []
      return (Self.encoded(name, keepsSlash: false), Self.encoded(value, keepsSlash: false))
    }
    pairs.sort { left, right in
      left.name == right.name
        ? left.value.lexicographicallyPrecedes(right.value) : left.name.lexicographicallyPrecedes(right.name)
    }
    return Array(pairs.map { $0.name + [UInt8(ascii: "=")] + $0.value }.joined(separator: [UInt8(ascii: "&")]))
  }

  private static func inBytes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  private static func decoded(_ bytes: [UInt8]) -> [UInt8] {
    DecodedText(percent: bytes, in: 0..<bytes.count, plusIsSpace: false).bytes
  }

  private static func encoded(_ bytes: [UInt8], keepsSlash: Bool) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes {
      if ByteClass.isUnreserved(byte) || keepsSlash && byte == UInt8(ascii: "/") {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), ByteClass.upperDigit(byte >> 4), ByteClass.upperDigit(byte & 15)]
      }
    }
    return result
  }

  /// Without the space around, and each run of spaces inside as one.
  private static func trimmed(_ value: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for byte in value {
      let isSpace = byte == 32 || byte == 9
      if isSpace, result.isEmpty || result.last == 32 { continue }
      result.append(isSpace ? 32 : byte)
    }
    if result.last == 32 { result.removeLast() }
    return result
  }

  private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    for byte in bytes {
      text.append(ByteClass.lowerDigit(byte >> 4))
      text.append(ByteClass.lowerDigit(byte & 15))
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension ByteClass {
  /// A hexadecimal digit, lower case.
  static func lowerDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
}
