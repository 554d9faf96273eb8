/// The text format of Prometheus, version 0.0.4.
package enum PrometheusText {
  package static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

  /// The families one after the other. One without samples is left out.
  package static func text(_ families: [MetricFamily]) -> String {
    var text = ""
    for family in families where !family.samples.isEmpty {
      text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
      for sample in family.samples {
        text += family.name + sample.suffix
        if !sample.labels.isEmpty {
          text += "{"
          for (index, label) in sample.labels.enumerated() {
            text += "\(index == 0 ? "" : ",")\(label.name)=\"\(escaped(label.value, quotes: true))\""
          }
          text += "}"
        }
        text += " \(number(sample.value))\n"
      }
    }
    return text
  }

  /// A number without an exponent and without zeros at its end.
  static func number(_ value: MetricFamily.Value) -> String {
    switch value {
    case .integer(let integer): return String(integer)
    case .nano(let nano):
      let magnitude = nano.magnitude
      let digits = String(magnitude % 1_000_000_000)
      var fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
      while fraction.hasSuffix("0") { fraction.removeLast() }
      return "\(nano < 0 ? "-" : "")\(magnitude / 1_000_000_000)\(fraction.isEmpty ? "" : "." + fraction)"
    }
  }

  /// A label's value may hold anything; a line break or a quote of its own must not begin another series.
  private static func escaped(_ text: String, quotes: Bool) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\"") }) else {
      return text
    }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
