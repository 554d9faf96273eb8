/// Every function that a syntax tree of OPA names, called or only referred to.
struct RegoCalls {
  /// Dotted names in the place of a function: `http.send(…)`, `x == y` (`equal`), `a + b` (`plus`).
  private(set) var operators: Set<String> = []
  /// Dotted names of all references, with each of their beginnings (`http.send.x` refers to `http.send`).
  private(set) var references: Set<String> = []
  /// A call whose operator is not a constant name.
  private(set) var hasUnreadableOperator = false

  /// Walks the tree. Recursion is bounded by the JSON decoder, which refuses deeper trees than 512 levels.
  mutating func collect(_ value: OPAValue) {
    switch value {
    case .array(let list): for element in list { collect(element) }
    case .object(let object):
      if case .string(let type)? = object["type"], let inner = object["value"] {
        switch type {
        case "ref": addReference(inner)
        case "call": if let name = inner.list?.first { addOperator(name) }
        default: break
        }
      }
      // An expression whose terms are a list is a call; the first term is its operator.
      if let terms = object["terms"]?.list, let name = terms.first { addOperator(name) }
      // `with f as g` replaces a function by another, so both are names of functions.
      for replacement in object["with"]?.list ?? [] {
        for side in ["target", "value"] {
          if let name = replacement[side], name["type"]?.text == "var", let text = name["value"]?.text {
            references.insert(text)
          }
        }
      }
      for element in object.values { collect(element) }
    default: break
    }
  }

  private mutating func addReference(_ value: OPAValue) {
    var name = ""
    for part in value.list ?? [] {
      guard let text = part["value"]?.text else { return }
      name += name.isEmpty ? text : "." + text
      references.insert(name)
    }
  }

  private mutating func addOperator(_ term: OPAValue) {
    let parts = term["value"]?.list ?? []
    let texts = parts.compactMap { part -> String? in
      let type = part["type"]?.text
      return type == "var" || type == "string" ? part["value"]?.text : nil
    }
    if texts.isEmpty || texts.count != parts.count || parts.dropFirst().contains(where: { $0["type"]?.text == "var" }) {
      hasUnreadableOperator = true
    } else {
      operators.insert(texts.joined(separator: "."))
    }
  }
}
