import Foundation

/// Certificates of the upstream, made with the `openssl` program: good ones, and such as nobody should trust.
public enum UpstreamCertificates {
  /// Why there are none.
  public struct Failure: Error, CustomStringConvertible {
    public var description: String
  }

  /// Fills the folder; ``authority(in:)`` is then what the gateway has to trust upstream.
  public static func make(in folder: String, names: [String]) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for authority in ["authority", "stranger"] {
      try openssl(
        "req -x509 \(key) -days 30 -keyout \(folder)/\(authority).key -out \(folder)/\(authority).pem -subj",
        "/CN=Conformance \(authority)",
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign")
    }
    try sign(folder, UpstreamPort.https, names, by: "authority", days: 30)
    try sign(folder, UpstreamPort.expired, names, by: "authority", days: -1)
    try sign(folder, UpstreamPort.otherName, ["elsewhere.test"], by: "authority", days: 30)
    try sign(folder, UpstreamPort.stranger, names, by: "stranger", days: 30)
    let own = "\(folder)/\(UpstreamPort.selfSigned)"
    try openssl(
      "req -x509 \(key) -days 30 -keyout \(own).key -out \(own).pem -subj /CN=upstream -addext subjectAltName=\(alternative(names))")
  }

  /// The PEM file that the gateway has to trust.
  public static func authority(in folder: String) -> String { folder + "/authority.pem" }

  private static let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

  private static func sign(_ folder: String, _ port: Int, _ names: [String], by authority: String, days: Int) throws {
    let name = "\(folder)/\(port)"
    try openssl("req \(key) -keyout \(name).key -out \(name).csr -subj /CN=upstream")
    try "subjectAltName=\(alternative(names))\nextendedKeyUsage=serverAuth\n"
      .write(toFile: name + ".ext", atomically: true, encoding: .utf8)
    try openssl(
      "x509 -req -in \(name).csr -CA \(folder)/\(authority).pem -CAkey \(folder)/\(authority).key -CAcreateserial -days \(days) "
        + "-extfile \(name).ext -out \(name).pem")
  }

  private static func alternative(_ names: [String]) -> String { names.map { "DNS:\($0)" }.joined(separator: ",") }

  /// The parts are split at spaces, but for the second, which may hold some.
  private static func openssl(_ first: String, _ whole: String? = nil, _ last: String = "") throws {
    let arguments = first.split(separator: " ").map(String.init) + [whole].compactMap { $0 } + last.split(separator: " ").map(String.init)
    let done = try Program.run(["openssl"] + arguments)
    guard done.code == 0 else { throw Failure(description: "openssl \(first): \(done.output)") }
  }
}
