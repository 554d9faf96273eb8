import PalanaControlAPI
import PalanaCore

/// The query of a request, read against what the route knows. A misspelt parameter is an error, not silence.
struct QueryReader {
  private var values: [String: [String]] = [:]

  /// - Parameter query: the part after `?`, not yet decoded.
  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ query: String?, for route: Route) throws(PalanaError) {
    for pair in (query ?? "").split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentEncoding.decode(parts[0], plusIsSpace: true),
        let value = PercentEncoding.decode(parts.count == 2 ? parts[1] : "", plusIsSpace: true)
      else {
        throw PalanaError(.invalid, "the query is not percent-encoded UTF-8")
      }
      guard let known = route.query.first(where: { $0.name == name }) else {
        let names = route.query.map(\.name).joined(separator: ", ")
        throw PalanaError(
          .invalid, "there is no parameter ‘\(name.prefix(40))’ here", hint: names.isEmpty ? "" : "known: \(names)")
      }
      guard known.isRepeated || values[name] == nil else { throw PalanaError(.invalid, "\(name) is given twice") }
      values[name, default: []].append(value)
    }
  }

  func all(_ name: String) -> [String] { values[name] ?? [] }

  /// Nil when absent or empty.
  func text(_ name: String) -> String? { values[name]?.first.flatMap { $0.isEmpty ? nil : $0 } }

  /// False when absent; `?follow` alone is true.
  func flag(_ name: String) throws(PalanaError) -> Bool {
    switch values[name]?.first {
    case nil, "false": return false
    case "", "true": return true
    default: throw PalanaError(.invalid, "\(name) is true or false")
    }
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(PalanaError) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw PalanaError(.invalid, "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func time(_ name: String) throws(PalanaError) -> Timestamp? {
    guard let text = text(name) else { return nil }
    guard let value = Timestamp(parsing: text) else {
      throw PalanaError(.invalid, "\(name) is an RFC 3339 time", hint: "for example 2026-01-31T12:00:00Z")
    }
    return value
  }

  func choice<Value: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ type: Value.Type
  ) throws(PalanaError) -> Value? {
    guard let text = text(name) else { return nil }
    guard let value = Value(rawValue: text) else {
      throw PalanaError(.invalid, "\(name) is one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  func user(_ name: String) throws(PalanaError) -> UserIdentity? {
    guard let text = text(name) else { return nil }
    return try UserIdentity(text)
  }
}
