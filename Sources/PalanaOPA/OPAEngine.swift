import FoundationEssentials

/// One engine of the library: policies and data are added, then it is only asked. Destroyed with its last reference.
///
/// Asking from several threads at once is safe (the library prepares a query once and evaluates it concurrently).
final class OPAEngine: Sendable {
  /// What the library says when something fails.
  struct Failure: Error, Hashable, Sendable, Decodable {
    /// `parse_error`, `prepare_error`, `eval_error`, `merge_conflict`, … or our own `no_answer`, `bad_answer`, `nul`.
    var code: String
    var message: String
  }

  private struct Envelope<Result: Decodable>: Decodable {
    var error: Failure?
    var result: Result?
  }

  private struct Row: Decodable {
    struct Expression: Decodable { var value: OPAValue }
    var expressions: [Expression]?
    var bindings: [String: OPAValue]?
  }

  private let library: OPALibrary
  private let handle: UInt64

  init(_ library: OPALibrary) {
    self.library = library
    handle = library.new()
  }

  deinit { library.destroy(handle) }

  /// Adds a module. A second module of the same name would replace the first, so callers keep names unique.
  func addPolicy(name: String, source: String) throws(Failure) {
    try checkText(name)
    try checkText(source)
    _ = try decode(unsafe library.take(library.addPolicy(handle, name, source)), OPAValue.self)
  }

  /// Merges a JSON object into the data document; a value that is there already and differs is an error.
  func addData(json: String) throws(Failure) {
    try checkText(json)
    _ = try decode(unsafe library.take(library.addData(handle, "", json)), OPAValue.self)
  }

  /// The value of `data.<path>` (dotted) for an input; nil: undefined. Blocks.
  func document(_ path: String, input: String) throws(Failure) -> OPAValue? {
    try checkText(input)
    return try decode(unsafe library.take(library.evalDocument(handle, path, input, 0, 0)), [Row].self)?
      .first?.expressions?.first?.value
  }

  /// The bindings of the first answer to a query. Blocks. Only constant texts of this module may be queries.
  func query(_ text: StaticString, input: String) throws(Failure) -> [String: OPAValue]? {
    try checkText(input)
    let query = "\(text)"
    return try decode(unsafe library.take(library.evalQuery(handle, query, input, 0, 0)), [Row].self)?.first?.bindings
  }

  private func decode<Result: Decodable>(_ bytes: [UInt8]?, _ type: Result.Type) throws(Failure) -> Result? {
    guard let bytes else { throw Failure(code: "no_answer", message: "the OPA library returned nothing") }
    let envelope: Envelope<Result>
    do {
      envelope = try JSONDecoder().decode(Envelope<Result>.self, from: Data(bytes))
    } catch {
      throw Failure(code: "bad_answer", message: "the OPA library's answer is not the JSON that it documents")
    }
    if let failure = envelope.error { throw failure }
    return envelope.result
  }

  /// The library reads up to the first NUL: a text with one would mean something else to it than to us.
  private func checkText(_ text: String) throws(Failure) {
    if text.utf8.contains(0) { throw Failure(code: "nul", message: "the text contains a NUL character") }
  }
}
