/// Reads the text format of Prometheus 0.0.4 and takes nothing that its specification does not say.
struct PrometheusParser {
  struct Problem: Error, CustomStringConvertible {
    var line: Int
    var description: String
  }

  struct Series: Hashable {
    var name: String
    var labels: [String: String]
  }

  private(set) var values: [Series: Double] = [:]
  private(set) var types: [String: String] = [:]
  private var helps: Set<String> = []
  private var finished: Set<String> = []
  private var current: String?
  private var number = 0

  init(_ text: String) throws {
    guard text.isEmpty || text.hasSuffix("\n") else { throw Problem(line: 0, description: "the last line has no end") }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      number += 1
      guard !line.isEmpty else { throw problem("an empty line is nothing that we write") }
      if line.hasPrefix("#") { try comment(line) } else { try sample(line) }
    }
    for (name, type) in types where type == "histogram" { try checkHistogram(name) }
  }

  /// The value of a series.
  func value(_ name: String, _ labels: [String: String] = [:]) -> Double? { values[Series(name: name, labels: labels)] }

  /// The sum of all series of a name that have these labels.
  func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
    values.filter { series, _ in series.name == name && labels.allSatisfy { series.labels[$0.key] == $0.value } }.reduce(0) {
      $0 + $1.value
    }
  }

  func count(_ name: String) -> Int { values.keys.count { $0.name == name } }

  private func problem(_ text: String) -> Problem { Problem(line: number, description: "line \(number): \(text)") }

  private mutating func comment(_ line: Substring) throws {
    let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard words.count == 4, words[0] == "#", words[1] == "HELP" || words[1] == "TYPE" else { throw problem("no HELP and no TYPE") }
    let name = String(words[2])
    guard Self.isName(name, colon: true) else { throw problem("‘\(name)’ is no name of a metric") }
    try enter(name)
    if words[1] == "HELP" {
      guard helps.insert(name).inserted else { throw problem("a second HELP") }
      _ = try unescaped(words[3], quotes: false)
    } else {
      guard ["counter", "gauge", "histogram"].contains(words[3]) else { throw problem("‘\(words[3])’ is no type") }
      guard types.updateValue(String(words[3]), forKey: name) == nil else { throw problem("a second TYPE") }
      guard !values.keys.contains(where: { $0.name == name }) else { throw problem("TYPE after a sample") }
      guard (words[3] == "counter") == name.hasSuffix("_total") else { throw problem("counters end in _total, and nothing else does") }
    }
  }

  /// All lines of a metric stand together.
  private mutating func enter(_ name: String) throws {
    guard name != current else { return }
    guard !finished.contains(name) else { throw problem("the lines of \(name) are scattered") }
    if let current { finished.insert(current) }
    current = name
  }

  private mutating func sample(_ line: Substring) throws {
    let name = String(line.prefix { $0 != "{" && $0 != " " })
    guard Self.isName(name, colon: true) else { throw problem("‘\(name)’ is no name of a metric") }
    let metric = try self.metric(of: name)
    try enter(metric)
    var rest = line.dropFirst(name.count)
    var labels: [String: String] = [:]
    if rest.hasPrefix("{") { labels = try self.labels(&rest) }
    guard rest.hasPrefix(" ") else { throw problem("no space before the value") }
    let text = rest.dropFirst()
    guard let value = Double(text), value.isFinite, !text.contains(" "), !text.contains("e") else { throw problem("‘\(text)’ is no value") }
    if types[metric] != "gauge", value < 0 { throw problem("a count below zero") }
    guard values.updateValue(value, forKey: Series(name: name, labels: labels)) == nil else { throw problem("a series twice: \(line)") }
  }

  private func metric(of name: String) throws -> String {
    if types[name] != nil, types[name] != "histogram" { return name }
    for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
      let base = String(name.dropLast(suffix.count))
      if types[base] == "histogram" { return base }
    }
    throw problem("\(name) has no TYPE before it")
  }

  private func labels(_ rest: inout Substring) throws -> [String: String] {
    var labels: [String: String] = [:]
    rest = rest.dropFirst()
    while true {
      let name = String(rest.prefix { $0 != "=" })
      guard Self.isName(name, colon: false), !name.hasPrefix("__") else { throw problem("‘\(name)’ is no name of a label") }
      rest = rest.dropFirst(name.count)
      guard rest.hasPrefix("=\"") else { throw problem("no value of \(name)") }
      rest = rest.dropFirst(2)
      // Scalar by scalar: a mark that combines with a quote must not hide it.
      var end = rest.unicodeScalars.startIndex
      var isEscaped = false
      while end < rest.unicodeScalars.endIndex, isEscaped || rest.unicodeScalars[end] != "\"" {
        isEscaped = !isEscaped && rest.unicodeScalars[end] == "\\"
        end = rest.unicodeScalars.index(after: end)
      }
      guard end < rest.unicodeScalars.endIndex else { throw problem("a value without an end") }
      guard labels.updateValue(try unescaped(rest[..<end], quotes: true), forKey: name) == nil else { throw problem("\(name) twice") }
      rest = Substring(rest.unicodeScalars[rest.unicodeScalars.index(after: end)...])
      if rest.hasPrefix("}") {
        rest = rest.dropFirst()
        return labels
      }
      guard rest.hasPrefix(",") else { throw problem("no comma") }
      rest = rest.dropFirst()
    }
  }

  private func unescaped(_ text: Substring, quotes: Bool) throws -> String {
    var result = ""
    var scalars = text.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "\\" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      switch scalars.next() {
      case "\\": result += "\\"
      case "n": result += "\n"
      case "\"" where quotes: result += "\""
      default: throw problem("an escape that there is not")
      }
    }
    return result
  }

  private func checkHistogram(_ name: String) throws {
    var buckets: [[String: String]: [(end: Double, count: Double)]] = [:]
    for (series, value) in values where series.name == name + "_bucket" {
      guard let end = series.labels["le"].flatMap({ $0 == "+Inf" ? .infinity : Double($0) }) else {
        throw problem("\(name): a bucket without an end")
      }
      buckets[series.labels.filter { $0.key != "le" }, default: []].append((end, value))
    }
    for (labels, unsorted) in buckets {
      let counts = unsorted.sorted { $0.end < $1.end }
      guard zip(counts, counts.dropFirst()).allSatisfy({ $0.count <= $1.count }) else { throw problem("\(name): buckets do not add up") }
      guard let last = counts.last, last.end == .infinity, value(name + "_count", labels) == last.count else {
        throw problem("\(name): the count is not that of all buckets")
      }
      guard value(name + "_sum", labels) != nil else { throw problem("\(name): no sum") }
    }
  }

  private static func isName(_ text: String, colon: Bool) -> Bool {
    guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
    return text.utf8.allSatisfy {
      (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 95 || colon && $0 == 58
    }
  }
}
