/// The field `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…` of a request to AWS, in its parts.
struct AWSAuthorization: Hashable {
  static let algorithm = "AWS4-HMAC-SHA256"

  let accessKey: String
  /// `YYYYMMDD`.
  let date: String
  let region: String
  let service: String
  /// Lower-case names.
  let signedHeaders: [String]

  /// Whether a field states an AWS signature of version 4 or a later one, well-formed or not.
  static func isSignature(_ value: [UInt8]) -> Bool {
    value.count > 4 && String(decoding: value.prefix(4), as: UTF8.self).uppercased() == "AWS4"
  }

  /// - Returns: nil when it is malformed, or of another algorithm.
  init?(_ value: String) {
    guard value.hasPrefix(Self.algorithm + " ") else { return nil }
    var parts: [String: String] = [:]
    for part in value.dropFirst(Self.algorithm.utf8.count + 1).split(separator: ",", omittingEmptySubsequences: false) {
      let bare = part.drop { $0 == " " }
      guard let equals = bare.firstIndex(of: "="), bare.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
        parts.updateValue(String(bare[bare.index(after: equals)...]), forKey: String(bare[..<equals])) == nil
      else { return nil }
    }
    guard parts.count == 3, let credential = parts["Credential"], let signed = parts["SignedHeaders"],
      let signature = parts["Signature"], signature.utf8.count == 64
    else { return nil }
    let scope = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard scope.count == 5, scope[4] == "aws4_request", scope[1].utf8.count == 8,
      scope[1].utf8.allSatisfy(ByteClass.isDigit)
    else { return nil }
    accessKey = scope[0]
    date = scope[1]
    region = scope[2]
    service = scope[3]
    signedHeaders = signed.split(separator: ";").map { $0.lowercased() }
  }
}
