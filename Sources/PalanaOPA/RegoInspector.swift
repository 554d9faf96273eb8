import FoundationEssentials
import PalanaCore

/// Looks at what policies call before they are ever evaluated.
///
/// The syntax tree comes from OPA's own parser (`rego.parse_module`, asked in an engine of its own), so comments,
/// white space, `http["send"]` and `with f as http.send` are what OPA says they are, not what a search finds.
struct RegoInspector {
  /// What was learned about all modules together.
  struct Findings: Hashable, Sendable {
    /// Packages by name, without `data.`.
    var packages: Set<String>
    /// Whether the answer can change although the input does not.
    var changes: Bool
  }

  private struct Question: Encodable {
    var name: String
    var source: String
  }

  private struct Module {
    var file: RegoFile
    var tree: OPAValue
    var package: String
  }

  let engine: OPAEngine

  /// - Throws: ``PalanaError`` with code `invalid`, with the file and, for what the text shows, the line.
  func inspect(_ files: [RegoFile]) throws(PalanaError) -> Findings {
    var modules: [Module] = []
    for file in files { modules.append(try parse(file)) }
    // A function may be defined in one file and called in another of the same package.
    var defined: [String: Set<String>] = [:]
    for module in modules { defined[module.package, default: []].formUnion(Self.ruleNames(module.tree)) }
    var changes = false
    for module in modules {
      let local = (defined[module.package] ?? []).union(Self.importNames(module.tree)).union(["data", "input"])
      var calls = RegoCalls()
      calls.collect(module.tree)
      for name in calls.references.union(calls.operators).sorted() {
        if let why = RegoBuiltins.refused[name] { throw refuse(module.file, name, why) }
      }
      for name in calls.operators.sorted() {
        let head = String(name.prefix { $0 != "." })
        if RegoBuiltins.changing.contains(name) {
          changes = true
        } else if !local.contains(head), !RegoBuiltins.pure.contains(name) {
          throw refuse(module.file, name, "it is not a function that guardrails may use")
        }
      }
      // `with time.now_ns as …` and values of `with` stand among the references.
      if !calls.references.isDisjoint(with: RegoBuiltins.changing) { changes = true }
      if calls.hasUnreadableOperator { throw refuse(module.file, "", "a call does not name its function plainly") }
    }
    return Findings(packages: Set(modules.map(\.package)), changes: changes)
  }

  private func parse(_ file: RegoFile) throws(PalanaError) -> Module {
    let answer: [String: OPAValue]?
    do {
      let data = try JSONEncoder().encode(Question(name: file.name, source: file.text))
      answer = try engine.query(
        "tree := rego.parse_module(input.name, input.source)", input: String(decoding: data, as: UTF8.self))
    } catch let failure as OPAEngine.Failure {
      throw PalanaError(.invalid, Self.located(failure, in: file.name))
    } catch {
      throw PalanaError(.invalid, "\(file.name): the policy cannot be read")
    }
    guard let tree = answer?["tree"], let package = Self.packageName(tree) else {
      throw PalanaError(
        .invalid, "\(file.name): OPA gave no syntax tree", hint: "install the pinned version of the OPA library")
    }
    return Module(file: file, tree: tree, package: package)
  }

  private func refuse(_ file: RegoFile, _ name: String, _ why: String) -> PalanaError {
    let line = RegoText.line(of: name, in: file.text).map { ":\($0)" } ?? ""
    let what = name.isEmpty ? why : "the function \(name) may not be used in a guardrail: \(why)"
    return PalanaError(.invalid, "\(file.name)\(line): \(what)")
  }

  /// The message with the file in front; most of OPA's start with it and the line already.
  static func located(_ failure: OPAEngine.Failure, in file: String) -> String {
    let message = clean(failure.message)
    return message.hasPrefix(file) ? message : "\(file): \(message)"
  }

  /// OPA's message on one line, without the chain of callers that ends in “1 error occurred:”.
  static func clean(_ message: String) -> String {
    var rest = message[...]
    for mark in ["error occurred:", "errors occurred:"] {
      if let range = rest.firstRange(of: mark) { rest = rest[range.upperBound...] }
    }
    let words = rest.split { $0.isWhitespace }.joined(separator: " ")
    return GuardrailOutput.printable(words, limit: 600)
  }

  private static func packageName(_ tree: OPAValue) -> String? {
    guard let path = tree["package"]?["path"]?.list else { return nil }
    return path.dropFirst().map { $0["value"]?.text ?? "" }.joined(separator: ".")
  }

  private static func ruleNames(_ tree: OPAValue) -> Set<String> {
    var names: Set<String> = []
    func add(_ rule: OPAValue) {
      if let name = rule["head"]?["ref"]?.list?.first?["value"]?.text ?? rule["head"]?["name"]?.text {
        names.insert(name)
      }
      if let next = rule["else"] { add(next) }
    }
    for rule in tree["rules"]?.list ?? [] { add(rule) }
    return names
  }

  private static func importNames(_ tree: OPAValue) -> Set<String> {
    var names: Set<String> = []
    for entry in tree["imports"]?.list ?? [] {
      let path = entry["path"]?["value"]?.list ?? []
      // Only `data` and `input` are imports of documents; `rego.v1` and `future.keywords` define nothing callable.
      guard let root = path.first?["value"]?.text, root == "data" || root == "input" else { continue }
      if let name = entry["alias"]?.text ?? path.last?["value"]?.text { names.insert(name) }
    }
    return names
  }
}
