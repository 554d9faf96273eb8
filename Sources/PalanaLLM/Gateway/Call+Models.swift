import PalanaCore

extension ModelRules {
  /// What agents may name, for people; a rule for many as it is written.
  var shown: [String] { Array(Set(allowed).union(aliases.keys)).sorted() }

  /// The names that are exact.
  var names: [String] { shown.filter { !$0.hasSuffix("*") } }
}

extension Call {
  /// The models of a route that says which it has, in the shape of its dialect.
  func answerModels(_ route: LLMRoute) {
    let items = route.models.names.map { name -> JSONValue in
      style == .anthropic
        ? ["type": "model", "id": .string(name), "display_name": .string(name), "created_at": "1970-01-01T00:00:00Z"]
        : ["id": .string(name), "object": "model", "created": 0, "owned_by": .string(route.name)]
    }
    let value: JSONValue =
      style == .anthropic
      ? [
        "data": .array(items), "has_more": false, "first_id": items.first?["id"] ?? .null, "last_id": items.last?["id"] ?? .null,
      ] : ["object": "list", "data": .array(items)]
    give(whole: value)
  }
}
