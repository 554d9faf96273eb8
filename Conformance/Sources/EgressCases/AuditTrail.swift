import Foundation

/// One event of the audit trail, as far as the suite looks at it.
public struct AuditLine: Sendable {
  let text: String
  let component: String?
  let decision: String?
  let reason: String?
  let agent: String?
  let requestID: String?
  let path: String?
  let host: String?
  let secrets: [String]
  let severity: String?

  init?(_ line: Substring) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return nil }
    text = String(line)
    component = object["component"] as? String
    decision = object["decision"] as? String
    reason = object["reason"] as? String
    severity = object["severity"] as? String
    agent = (object["agent"] as? [String: Any])?["name"] as? String
    let request = object["request"] as? [String: Any]
    requestID = request?["id"] as? String
    path = request?["path"] as? String
    host = request?["host"] as? String
    secrets = object["secrets"] as? [String] ?? []
  }
}

/// An event that a case says must be there.
struct AuditExpectation: Sendable {
  var claim: String
  var condition: @Sendable (AuditLine) -> Bool
}

/// The exported trail.
struct AuditTrail: Sendable {
  var lines: [AuditLine]
  /// Lines that are no JSON object.
  var malformed: [String]
  var byID: [String: [AuditLine]] = [:]
  var countByPath: [String: Int] = [:]

  init(running command: [String]) throws {
    let done = try Program.run(command, keepsErrors: false)
    guard done.code == 0 else { throw Missing("the audit export ended with \(done.code)") }
    lines = []
    malformed = []
    for line in done.output.split(separator: "\n") {
      guard let parsed = AuditLine(line) else {
        malformed.append(String(line))
        continue
      }
      lines.append(parsed)
      if let id = parsed.requestID { byID[id, default: []].append(parsed) }
      if let path = parsed.path { countByPath[path, default: 0] += 1 }
    }
  }
}
