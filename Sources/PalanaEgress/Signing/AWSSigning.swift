import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// A request that an agent signed with a placeholder, to be signed again with the real key.
struct AWSSigning {
  /// The parts of the credential, as indices of bindings in the plan.
  struct Credential {
    var accessKey: Int
    var secretKey: Int
    var sessionToken: Int?
  }

  private let credential: Credential
  /// Index of the Authorization field.
  let field: Int
  private let authorization: AWSAuthorization
  private let head: RequestHead
  private let host: String
  private let time: String
  /// Nil: the body has to be hashed.
  private let payload: String?
  /// Indices of the fields that are signed.
  private let signed: [Int]

  /// How far the time of a request may be from now. AWS allows as much.
  static let mostSkew: Duration = .seconds(900)

  /// Whether the body is needed to sign the request: it states no hash of it.
  var needsBody: Bool { payload == nil }

  init(
    _ head: RequestHead, field: Int, _ authorization: AWSAuthorization, signing: PlaceholderBinding.Signing, host: String,
    isTLS: Bool, now: Timestamp, credential: Credential
  ) throws(Refusal) {
    let fields = head.fields
    guard authorization.region == signing.region, authorization.service == signing.service else {
      throw Refusal(.secretNotBound, "this access key signs requests for another region or service")
    }
    func single(_ name: StaticString) throws(Refusal) -> String? {
      let found = fields.fields.indices.filter { fields.equal(fields.fields[$0].name, name) }
      guard found.count <= 1 else { throw Self.notSupported("the field \(name) stands twice") }
      return found.first.map { fields.text(fields.fields[$0].value) }
    }
    guard let time = try single("x-amz-date"), let moment = Self.moment(time), time.hasPrefix(authorization.date) else {
      throw Self.notSupported("it has no x-amz-date that fits its scope")
    }
    guard moment - now <= Self.mostSkew, now - moment <= Self.mostSkew else {
      throw Self.notSupported("its x-amz-date is more than fifteen minutes from now")
    }
    if signing.sessionToken == nil, try single("x-amz-security-token") != nil {
      throw Self.notSupported("it has a session token, and the secret has none")
    }
    let stated = try single("x-amz-content-sha256")
    switch stated {
    case nil: payload = nil
    case "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      guard isTLS else { throw Self.notSupported("a body that is not signed needs https") }
      payload = stated
    case let hash?:
      guard hash.utf8.count == 64, hash.utf8.allSatisfy({ ByteClass.hexadecimal($0) != nil }) else {
        throw Self.notSupported("the chunks of its body are signed one by one")
      }
      payload = hash
    }
    let asked = Set(authorization.signedHeaders)
    signed = fields.fields.indices.filter { index in
      let known = fields.fields[index].known
      guard known == .other else { return false }
      let name = fields.text(fields.fields[index].name).lowercased()
      // Whatever else the client signed may look different on its way; AWS asks for these.
      return name.hasPrefix("x-amz-") || asked.contains(name) && (name == "content-type" || name == "content-md5")
    }
    self.head = head
    self.field = field
    self.authorization = authorization
    self.host = host
    self.time = time
    self.credential = credential
  }

  static func notSupported(_ why: String) -> Refusal {
    Refusal(.signatureNotSupported, "this AWS signature cannot be made again: \(why)")
  }

  /// The Authorization field, and the session token where the client sent none.
  ///
  /// - Parameters:
  ///   - values: what other fields became, by their index.
  ///   - body: the body if ``needsBody``.
  func sign(
    path: [UInt8], query: [UInt8], values: [Int: [UInt8]], body: ByteBuffer?, secrets: [Redacted<String>]
  ) -> (authorization: [UInt8], sessionToken: [UInt8]?) {
    let fields = head.fields
    var headers: [(name: String, value: [UInt8])] = [("host", Array(host.utf8))]
    var hasToken = false
    for index in signed {
      let name = fields.text(fields.fields[index].name).lowercased()
      headers.append((name, values[index] ?? fields.array(fields.fields[index].value)))
      hasToken = hasToken || name == "x-amz-security-token"
    }
    var token: [UInt8]?
    if !hasToken, let index = credential.sessionToken {
      token = Array(secrets[index].reveal().utf8)
      headers.append(("x-amz-security-token", token ?? []))
    }
    let signer = AWSSigner(
      method: fields.text(head.method), path: path, query: query, headers: headers,
      payload: payload ?? AWSSigner.hash(body.map { Array(buffer: $0) } ?? []), time: time,
      region: authorization.region, service: authorization.service)
    let value = signer.authorization(
      accessKey: secrets[credential.accessKey], secretKey: secrets[credential.secretKey])
    return (value.reveal(), token)
  }

  /// `YYYYMMDDTHHMMSSZ`.
  private static func moment(_ text: String) -> Timestamp? {
    let bytes = Array(text.utf8)
    guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return nil }
    func part(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
    return Timestamp(
      parsing:
        "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z")
  }
}
