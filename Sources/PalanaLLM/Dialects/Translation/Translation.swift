package import PalanaCore

/// Between OpenAI's chat completions and Anthropic's messages, both ways.
///
/// What means the same is said in the other dialect's words; hints that change no meaning are left out; everything else is refused by its name
/// (`docs/llm-translation.md` lists all of it). Nothing is dropped in silence that would make the model do something else.
package struct Translation: Hashable, Sendable {
  /// The bound of the output for a request of openai-chat that has none: Anthropic's cannot be without.
  package var defaultMaxTokens = 4_096
  /// What the bound is called in requests of openai-chat that are made here.
  package var chatLimit = RequestEdit.StaticMember.maxCompletionTokens
  /// Whether what a model thought aloud is given to agents that speak openai-chat, as `reasoning_content`. OpenAI's own libraries keep
  /// members that they do not know.
  package var keepsReasoning = true
  /// The time that answers of openai-chat carry, in seconds since 1970.
  package var created = 0

  package init() {}

  /// A request in the other dialect.
  ///
  /// - Throws: ``DialectError`` that names what cannot be said there.
  package func request(_ body: JSONValue, from dialect: Dialect) throws(DialectError) -> JSONValue {
    guard case .object(let request) = body else { throw DialectError(.malformedJSON, "the body must be a JSON object") }
    switch dialect {
    case .openAIChat: return .object(try ChatRequestTranslation(options: self).translate(request))
    case .anthropicMessages: return .object(try MessagesRequestTranslation(options: self).translate(request))
    case .openAIResponses, .openAIEmbeddings: throw Self.none(dialect)
    }
  }

  /// A whole answer of `dialect` in the other one.
  ///
  /// - Throws: ``DialectError`` with reason `malformed_answer`.
  package func answer(_ body: JSONValue, from dialect: Dialect) throws(DialectError) -> JSONValue {
    guard case .object(let answer) = body else { throw DialectError(.malformedAnswer, "the provider's answer is no JSON object") }
    switch dialect {
    case .openAIChat: return .object(try ChatAnswerTranslation().translate(answer))
    case .anthropicMessages: return .object(try MessagesAnswerTranslation(options: self).translate(answer))
    case .openAIResponses, .openAIEmbeddings: throw Self.none(dialect)
    }
  }

  private static func none(_ dialect: Dialect) -> DialectError {
    DialectError(.untranslatable, "\(dialect.rawValue) is not translated: call a model whose provider speaks it")
  }
}

extension DialectError {
  static func untranslatable(_ member: String, _ why: String) -> Self {
    Self(.untranslatable, "‘\(member)’ cannot be had from this model's provider: \(why)", member: member)
  }
}

/// Reads the members of a request with the path that errors name.
struct RequestFields {
  var object: JSONObject
  /// In front of the names: empty, or `messages[2].`.
  var prefix = ""

  func path(_ name: String) -> String { prefix + name }

  /// Nil for what is not there and for `null`.
  subscript(name: String) -> JSONValue? { object[name].flatMap { $0 == .null ? nil : $0 } }

  func text(_ name: String) throws(DialectError) -> String? {
    guard let value = self[name] else { return nil }
    guard let text = value.string else { throw .wrongType(path(name), "text") }
    return text
  }

  func requiredText(_ name: String) throws(DialectError) -> String {
    guard let text = try text(name) else { throw DialectError(.missingMember, "‘\(path(name))’ is missing", member: path(name)) }
    return text
  }

  func flag(_ name: String) throws(DialectError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let flag = value.bool else { throw .wrongType(path(name), "true or false") }
    return flag
  }

  func number(_ name: String) throws(DialectError) -> JSONNumber? {
    guard let value = self[name] else { return nil }
    guard case .number(let number) = value else { throw .wrongType(path(name), "a number") }
    return number
  }

  func fields(_ name: String) throws(DialectError) -> RequestFields? {
    guard let value = self[name] else { return nil }
    guard case .object(let object) = value else { throw .wrongType(path(name), "an object") }
    return RequestFields(object: object, prefix: path(name) + ".")
  }

  func requiredFields(_ name: String) throws(DialectError) -> RequestFields {
    guard let fields = try fields(name) else { throw DialectError(.missingMember, "‘\(path(name))’ is missing", member: path(name)) }
    return fields
  }

  func list(_ name: String) throws(DialectError) -> [JSONValue]? {
    guard let value = self[name] else { return nil }
    guard case .array(let list) = value else { throw .wrongType(path(name), "a list") }
    return list
  }

  /// The objects of a list.
  func items(_ name: String) throws(DialectError) -> [RequestFields]? {
    guard let list = try list(name) else { return nil }
    var items: [RequestFields] = []
    for (index, value) in list.enumerated() {
      guard case .object(let object) = value else { throw .wrongType("\(path(name))[\(index)]", "an object") }
      items.append(RequestFields(object: object, prefix: "\(path(name))[\(index)]."))
    }
    return items
  }

  /// Refuses every member that is none of `known`, except `null`.
  func refuseOthers(than known: Set<String>, _ why: String = "it has nothing like it") throws(DialectError) {
    for name in object.keys where !known.contains(name) && self[name] != nil { throw .untranslatable(path(String(name.prefix(60))), why) }
  }

  /// Refuses a member unless it is absent or says what goes without saying.
  func refuse(_ name: String, unless harmless: [JSONValue], _ why: String = "it has nothing like it") throws(DialectError) {
    guard let value = self[name], !harmless.contains(value) else { return }
    throw .untranslatable(path(name), why)
  }
}

extension JSONObject {
  /// Sets a member unless there is nothing to say.
  mutating func set(_ name: String, _ value: JSONValue?) { if let value { self[name] = value } }
}
