import Foundation

/// What became of every case.
public struct Posture: Sendable, Codable {
  public struct Entry: Sendable, Codable {
    public var family: Family
    public var name: String
    public var claim: String
    /// `held`, `broken` or `notApplicable`.
    public var outcome: String
    /// What was seen, or why the case says nothing here.
    public var detail: String?
    public var milliseconds: Int

    init(_ one: EgressCase, _ verdict: Verdict, milliseconds: Int) {
      family = one.family
      name = one.name
      claim = one.claim
      self.milliseconds = milliseconds
      switch verdict {
      case .held: outcome = "held"
      case .broken(let detail): (outcome, self.detail) = ("broken", detail)
      case .notApplicable(let detail): (outcome, self.detail) = ("notApplicable", detail)
      }
    }
  }

  public var plane: String
  public var entries: [Entry]

  public init(plane: String, entries: [Entry]) {
    self.plane = plane
    self.entries = entries
  }

  public func count(_ family: Family?, _ outcome: String? = nil) -> Int {
    entries.count { (family == nil || $0.family == family) && (outcome == nil || $0.outcome == outcome) }
  }

  /// How the detail of a case begins that came to no end of its own.
  static let early = "the attack ended early"

  /// How the detail of a case begins of which the events are not as they should be.
  static let trail = "in the audit trail"

  /// Families of which no case shows by itself that something is wrong.
  public var blind: [Family] {
    Family.allCases.filter { family in
      !entries.contains { entry in
        guard entry.family == family, entry.outcome == "broken", let detail = entry.detail else { return false }
        return !detail.hasPrefix(Self.early) && (family == .logs || !detail.hasPrefix(Self.trail))
      }
    }
  }

  public var isWhole: Bool { count(nil, "broken") == 0 && count(nil, "held") > 0 }

  /// A table for people: a row per family, then what is broken and what was not applicable.
  public var table: String {
    var rows = [["FAMILY", "CASES", "HELD", "BROKEN", "NOT APPLICABLE"]]
    for family in Family.allCases where count(family) > 0 { rows.append(row(family, family.rawValue)) }
    rows.append(row(nil, "all (\(plane))"))
    let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
    var lines = rows.map { row in
      zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ").trimmingCharacters(
        in: .whitespaces)
    }
    for entry in entries where entry.outcome == "broken" {
      lines.append("broken: \(entry.family.rawValue)/\(entry.name): \(entry.claim) But: \(entry.detail ?? "")")
    }
    let reasons = Dictionary(grouping: entries.filter { $0.outcome == "notApplicable" }) { $0.detail ?? "" }
    for (reason, entries) in reasons.sorted(by: { $0.key < $1.key }) { lines.append("not applicable (\(entries.count)): \(reason)") }
    return lines.joined(separator: "\n")
  }

  private func row(_ family: Family?, _ name: String) -> [String] {
    [name, "\(count(family))", "\(count(family, "held"))", "\(count(family, "broken"))", "\(count(family, "notApplicable"))"]
  }

  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return (try? String(decoding: encoder.encode(self), as: UTF8.self)) ?? "{}"
  }
}
