/// Amounts in the one spelling that the API server gives back (`resource.Quantity`), so that equal amounts are equal texts.
enum ResourceAmount {
  /// A count of bytes: with the largest binary suffix that loses nothing, else with a decimal one.
  static func bytes(_ value: Int64) -> String {
    guard value > 0, value.isMultiple(of: 1024) else { return decimal(value) }
    return reduced(value, by: 1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
  }

  /// Thousandths of a processor.
  static func milli(_ value: Int64) -> String {
    value.isMultiple(of: 1000) ? decimal(value / 1000) : "\(value)m"
  }

  static func decimal(_ value: Int64) -> String { reduced(value, by: 1000, ["", "k", "M", "G", "T", "P", "E"]) }

  private static func reduced(_ value: Int64, by step: Int64, _ suffixes: [String]) -> String {
    var rest = value
    var index = 0
    while rest != 0, rest.isMultiple(of: step), index + 1 < suffixes.count {
      rest /= step
      index += 1
    }
    return "\(rest)\(suffixes[index])"
  }
}
