import Crypto
import FoundationEssentials
import PalanaCore
import PalanaPolicy

/// One loaded generation of guardrails: an engine that has compiled them and has answered once.
struct GuardrailSet: Sendable {
  let engine: OPAEngine
  /// `rego-` and 16 hexadecimal digits over names and contents.
  let version: String
  /// Whether `ttl_seconds` counts; not if a policy looks at the time.
  let mayCache: Bool
  let files: [String]

  /// Reads, inspects and compiles. Blocks.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` that names the file.
  static func build(library: OPALibrary, paths: [String]) throws(PalanaError) -> GuardrailSet {
    let sources = try RegoSources.load(paths)
    // In an engine of its own, since nothing of the policies may run before it was inspected.
    let findings = try RegoInspector(engine: OPAEngine(library)).inspect(sources.policies)
    guard findings.packages.contains(GuardrailOutput.package) else {
      throw PalanaError(
        .invalid, "no policy in \(paths.joined(separator: ", ")) has the package \(GuardrailOutput.package)",
        hint: "a guardrail starts with: package \(GuardrailOutput.package)")
    }
    let engine = OPAEngine(library)
    for file in sources.policies {
      do { try engine.addPolicy(name: file.name, source: file.text) } catch {
        throw PalanaError(.invalid, RegoInspector.located(error, in: file.name))
      }
    }
    for file in sources.data {
      let wrapped = try wrap(file)
      do { try engine.addData(json: wrapped) } catch {
        throw PalanaError(.invalid, RegoInspector.located(error, in: file.name))
      }
    }
    // The first question compiles everything, and takes tens of milliseconds that no request should pay.
    for input in GuardrailInput.rehearsal {
      do { _ = try engine.document(GuardrailOutput.package, input: input) } catch  where error.code != "eval_error" {
        throw PalanaError(.invalid, "the policies do not compile: \(RegoInspector.clean(error.message))")
      } catch {
        // A policy may fail on the invented request; on a real one that is a denial.
        continue
      }
    }
    return GuardrailSet(
      engine: engine, version: version(of: sources), mayCache: !findings.changes,
      files: sources.policies.map(\.name) + sources.data.map(\.name))
  }

  /// The data of a file as a document of the root.
  private static func wrap(_ file: DataFile) throws(PalanaError) -> String {
    guard let value = try? JSONDecoder().decode(OPAValue.self, from: Data(file.text.utf8)) else {
      throw PalanaError(.invalid, "\(file.name): the file is not JSON")
    }
    if file.path.isEmpty, case .object = value { return file.text }
    guard !file.path.isEmpty else { throw PalanaError(.invalid, "\(file.name): data at the root is an object") }
    var text = file.text
    for folder in file.path.reversed() {
      guard let key = (try? JSONEncoder().encode(folder)).map({ String(decoding: $0, as: UTF8.self) }) else {
        throw PalanaError(.invalid, "\(file.name): the folder’s name cannot stand in JSON")
      }
      text = "{\(key):\(text)}"
    }
    return text
  }

  private static func version(of sources: RegoSources) -> String {
    var hash = SHA256()
    func add(_ text: String) {
      hash.update(data: Data("\(text.utf8.count):".utf8))
      hash.update(data: Data(text.utf8))
    }
    for file in sources.policies {
      add(file.name)
      add(file.text)
    }
    add("data")
    for file in sources.data {
      add(file.path.joined(separator: "/"))
      add(file.text)
    }
    let digits = hash.finalize().prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    return "rego-" + digits.joined()
  }
}
